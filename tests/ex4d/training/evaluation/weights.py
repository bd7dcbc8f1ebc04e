"""Files of random weights in the formats of the networks that people have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from ex4d.runtime.torchvision_operators import import_torchvision

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = (64, 192, 384, 256, 256)


class Video(torch.nn.Module):
    """A TorchScript network that is called as the I3D one is."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv3d(3, 6, (3, 16, 16), stride=(1, 16, 16))

    def forward(self, clip: torch.Tensor, rescale: bool, resize: bool, return_features: bool):
        if rescale or resize or not return_features:
            raise ValueError("unexpected")
        return self.layer(clip).relu().mean(dim=[2, 3, 4])


def write_weights(folder: Path) -> dict[str, Path]:
    """Write all files; return them by the flags of `ex4d evaluate`."""
    torch.manual_seed(0)
    files = {name: folder / f"{name}.pth" for name in
             ("lpips_alexnet", "lpips_heads", "fid_weights", "fvd_network")}  # fmt: skip
    alexnet = import_torchvision("models").alexnet(weights=None)
    alexnet.classifier = torch.nn.Sequential(*[torch.nn.Identity()] * 6, torch.nn.Linear(4, 2))
    torch.save(alexnet.state_dict(), files["lpips_alexnet"])
    heads = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, c in enumerate(CHANNELS)}
    torch.save(heads, files["lpips_heads"])
    inception = import_torchvision("models.inception").Inception3(
        num_classes=1008, aux_logits=False, init_weights=False
    )
    for module in inception.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.fill_(0.2)  # features stay of a size through all layers
    torch.save(inception.state_dict(), files["fid_weights"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Video()).save(files["fvd_network"])
    return files
