"""Makes golden_moge.npz: what the public MoGe-2 code computes with the tests' tiny weights. Run
with scipy installed, and on the path its checkout and that of utils3d at the commit which its
pyproject.toml names (the release of that name lacks what it needs):

    PYTHONPATH=.:CHECKOUT:UTILS3D python tests/data/make_golden_moge.py

The public code stops its search for the lens early, up to 3 % off the least error (measured on
these weights); here it goes on to the end, where there is one answer.
"""

import tempfile
from pathlib import Path

import numpy as np
import scipy.optimize
import torch
from moge.model.dinov2.hub import backbones
from moge.model.dinov2.models.vision_transformer import DinoVisionTransformer
from moge.model.v2 import MoGeModel

from tests.ex4d.depth.estimators import tiny
from tests.ex4d.depth.estimators.conftest import frames

SIZES = {"wide": (48, 32), "tall": (35, 50), "shrunk": (190, 130)}  # the last by the network
STEPS = {"wide": 1, "tall": 1, "shrunk": 6}  # every so many pixels are kept: the file stays small
solve = scipy.optimize.least_squares


def solve_to_the_end(function, **options):
    return solve(function, **{**options, "ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12})


def main() -> None:
    scipy.optimize.least_squares = solve_to_the_end
    backbones.dinov2_vits14 = lambda pretrained: DinoVisionTransformer(
        img_size=518,
        patch_size=14,
        init_values=1.0,
        block_chunks=0,
        embed_dim=64,
        depth=4,
        num_heads=1,
    )
    folder = tiny.write_moge(Path(tempfile.mkdtemp()))
    model = MoGeModel.from_pretrained(folder / "model.pt").eval()
    arrays = {}
    for name, size in SIZES.items():
        pictures = torch.from_numpy(frames(2, size)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            output = model(pictures, num_tokens=tiny.moge_settings()["num_tokens_range"][1])
        said = model.infer(pictures, use_fp16=False)
        kept = (..., slice(None, None, STEPS[name]), slice(None, None, STEPS[name]))
        arrays[f"{name}_xyz"] = output["points"].permute(0, 3, 1, 2)[kept].numpy()
        arrays[f"{name}_mask"] = output["mask"][kept].numpy()
        arrays[f"{name}_scale"] = output["metric_scale"].numpy()
        arrays[f"{name}_depth"] = said["depth"][kept].numpy()
        arrays[f"{name}_intrinsics"] = said["intrinsics"].numpy()
    np.savez_compressed(Path(__file__).with_name("golden_moge.npz"), **arrays)


if __name__ == "__main__":
    main()
