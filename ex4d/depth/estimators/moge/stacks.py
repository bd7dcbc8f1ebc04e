"""MoGe-2's convolutions: pyramids that grow from the transformer's grid to 16 times its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ConvStack"]

_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "layer_norm": lambda width: nn.GroupNorm(1, width),
    "group_norm": lambda width: nn.GroupNorm(width // 32, width),
    "instance_norm": nn.InstanceNorm2d,
}
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "silu": nn.SiLU,
    "elu": nn.ELU,
}


class ConvStack(nn.Module):
    """Residual blocks at five sizes, each twice the one before, with an input and an output at
    each. Raises WeightsError for settings that no published checkpoint has."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        widths = settings["dim_res_blocks"]
        n_levels = len(widths)
        counts = _each(settings.get("num_res_blocks", 1), n_levels)
        kinds = _each(settings["resamplers"], n_levels - 1)
        self.input_blocks = nn.ModuleList(map(_mix, _each(settings["dim_in"], n_levels), widths))
        self.res_blocks = nn.ModuleList(
            nn.Sequential(*(_Residual(width, settings) for _ in range(count)))
            for width, count in zip(widths, counts, strict=True)
        )
        self.resamplers = nn.ModuleList(map(_upsampler, kinds, widths[:-1], widths[1:]))
        self.output_blocks = nn.ModuleList(
            nn.Identity() if out is None else nn.Conv2d(width, out, 1)
            for width, out in zip(widths, _each(settings["dim_out"], n_levels), strict=True)
        )

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """From maps [B, C, h 2^k, w 2^k] to maps of the same sizes."""
        outputs = []
        hidden = self.res_blocks[0](self.input_blocks[0](inputs[0]))
        outputs.append(self.output_blocks[0](hidden))
        for level, upsample in enumerate(self.resamplers, start=1):
            hidden = upsample(hidden) + self.input_blocks[level](inputs[level])
            hidden = self.res_blocks[level](hidden)
            outputs.append(self.output_blocks[level](hidden))
        return outputs


class _Residual(nn.Module):
    def __init__(self, width: int, settings: dict[str, Any]) -> None:
        super().__init__()
        inner = width * settings.get("dim_times_res_block_hidden", 1)
        try:
            in_norm = _NORMS[settings.get("res_block_in_norm", "layer_norm")]
            inner_norm = _NORMS[settings.get("res_block_hidden_norm", "group_norm")]
            activation = _ACTIVATIONS[settings.get("activation", "relu")]
        except KeyError as unknown:
            raise WeightsError(
                f"MoGe's settings name an unknown kind of layer: {unknown}"
            ) from None
        self.layers = nn.Sequential(
            in_norm(width),
            activation(),
            _convolution(width, inner),
            inner_norm(inner),
            activation(),
            _convolution(inner, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        added: Tensor = hidden + self.layers(hidden)
        return added


def _upsampler(kind: str, width: int, out: int) -> nn.Module:
    """To twice the size."""
    if kind == "conv_transpose":
        return nn.Sequential(nn.ConvTranspose2d(width, out, 2, 2), _convolution(out, out))
    if kind in ("bilinear", "nearest"):
        grown = nn.Upsample(
            scale_factor=2, mode=kind, align_corners=False if kind == "bilinear" else None
        )
        return nn.Sequential(grown, _convolution(width, out))
    if kind == "pixel_shuffle":
        return nn.Sequential(
            _convolution(width, 4 * out), nn.PixelShuffle(2), _convolution(out, out)
        )
    raise WeightsError(f"MoGe's settings name an unknown way to grow: {kind!r}")


def _convolution(width: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(width, out, 3, padding=1, padding_mode="replicate")


def _mix(width: int | None, out: int) -> nn.Module:
    return nn.Identity() if width is None else nn.Conv2d(width, out, 1)


def _each(value: Any, count: int) -> list[Any]:
    """One value for each, given as a list or as one for all."""
    return list(value) if isinstance(value, list | tuple) else [value] * count
