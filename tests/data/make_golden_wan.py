"""Makes golden_wan.safetensors: what the public classes compute with weights by a recipe.

PYTHONPATH=. python tests/data/make_golden_wan.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.recipe import Recipe
from tests.reference.wan import Sampling, run

FACTS = {
    "recipe": 20261129,
    "dim": 256, "num_heads": 2, "num_layers": 2, "ffn_dim": 512, "in_dim": 36, "out_dim": 16,
    "text_dim": 128, "freq_dim": 256, "lora_rank": 8, "lora_alpha": 16, "hidden_dim": 48,
    "frames": 3, "height": 8, "width": 12, "tokens_pos": 13, "tokens_neg": 21,
    "text_len": 512, "steps": 25, "cfg_scale": 5.0, "sigma_shift": 5.0,
}  # fmt: skip
FILE = Path(__file__).with_name("golden_wan.safetensors")


def public_model(recipe: Recipe):
    sizes = {name: value for name, value in vars(recipe.sizes).items() if name != "patch_size"}
    model = import_diffsynth("models.wan_video_dit").WanModel(
        **sizes, eps=1e-6, patch_size=(1, 2, 2), has_image_input=True
    )
    model.load_state_dict({name: tensor.load() for name, tensor in recipe.weights().items()})
    return model.eval()


def make_golden(path: Path) -> Path:
    facts = {name: str(value) for name, value in FACTS.items()}
    recipe = Recipe.of(facts)
    model = public_model(recipe)
    encoder = GeometryEncoder(16, recipe.hidden_dim, recipe.sizes.dim, (1, 2, 2))
    changes = {name: tensor.load() for name, tensor in recipe.checkpoint().items()}
    encoder.load_state_dict({n: t for n, t in changes.items() if n.startswith("latent")})
    for name in [name for name in changes if ".lora_A" in name]:
        up, down = changes[name.replace("lora_A", "lora_B")], changes[name]
        scale = FACTS["lora_alpha"] / recipe.rank
        model.get_submodule(name.partition(".lora_A")[0]).weight.data += scale * up @ down
    made = run(model, encoder, recipe.inputs(), Sampling(25, 5.0, 5.0, 512))
    save_file({f"io.{name}": tensor.contiguous() for name, tensor in made.items()}, path, facts)
    return path


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(make_golden(FILE))
