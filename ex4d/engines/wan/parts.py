"""What `ex4d download` fetches for the engine wan."""

from __future__ import annotations

from ex4d.engines.wan.folder import (
    EX4D_FILE,
    EX4D_FOLDER,
    STEPS_LORA_FILE,
    STEPS_LORA_FOLDER,
    WAN_FOLDER,
)
from ex4d.weights.download import Part

__all__ = ["PARTS", "STEPS_LORA", "USUAL_PARTS"]

STEPS_LORA = Part(
    repository="lightx2v/Wan2.1-I2V-14B-480P-StepDistill-CfgDistill-Lightx2v",
    folder=STEPS_LORA_FOLDER,
    files=(STEPS_LORA_FILE,),
    licence="Apache-2.0",
    size_gib=0.7,
)

PARTS = {
    "wan": Part(
        repository="Wan-AI/Wan2.1-I2V-14B-480P",
        folder=WAN_FOLDER,
        files=(
            "diffusion_pytorch_model-*-of-*.safetensors",
            "models_t5_umt5-xxl-enc-bf16.pth",
            "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
            "Wan2.1_VAE.pth",
            "google/umt5-xxl/*",
        ),
        licence="Apache-2.0",
        size_gib=77,
    ),
    "ex4d": Part(
        repository="yihouxiang/EX-4D",
        folder=EX4D_FOLDER,
        files=(EX4D_FILE,),
        licence="as its authors say on that page; EX-4D's code is Apache-2.0",
        size_gib=0.4,
    ),
    "steps-lora": STEPS_LORA,
}
USUAL_PARTS = ("wan", "ex4d")  # without which the engine does not run
