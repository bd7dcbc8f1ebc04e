"""The layers of Wan's video autoencoder, with the names of its published weights.

The public code calls them `CausalConv3d`, `ResidualBlock`, `AttentionBlock` and `Resample`. A clip
comes in pieces: its first frame, then any multiple of four frames at a time; what a layer has to
know of the frames before lies in a `Past`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ex4d.engines.wan.vae import plain
from ex4d.engines.wan.vae.steps import Stream, activate, convolve, settled

__all__ = [
    "Attention",
    "CausalConv",
    "Downsample",
    "Head",
    "Past",
    "PointConv",
    "Residual",
    "Upsample",
]

Past = dict[nn.Module, Tensor]  # a clip's; the last frames that went into a convolution


class _Conv(nn.Module):
    """Weights of a convolution."""

    def __init__(self, n_in: int, n_out: int, *kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in, *kernel))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def in_frames(self, frames: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        """Convolve every frame [B, T, H, W, C] for itself, without the bias."""
        flat = frames.flatten(0, 1).permute(0, 3, 1, 2)
        output: Tensor = functional.conv2d(flat, self.weight, None, stride, padding)
        return output.permute(0, 2, 3, 1).unflatten(0, frames.shape[:2])


class PointConv(_Conv):
    """A convolution of single pixels: a matrix product."""

    def forward(self, frames: Tensor) -> Tensor:
        """Multiply every pixel [..., in] by the weight, and add the bias."""
        output: Tensor = functional.linear(frames, self.weight.flatten(1), self.bias)
        return output


class CausalConv(_Conv):
    """A convolution over time and space that sees no later frame (`CausalConv3d`)."""

    def forward(
        self, joined: Tensor, *, time_stride: int = 1
    ) -> Tensor:  # [B, before + T, H, W, C] -> [B, T, H, W, C]
        """Convolve frames that have those before them in front, without the bias."""
        return convolve(joined, self.weight, time_stride=time_stride)

    def joined(self, frames: Tensor, past: Past, n_before: int = 2) -> Tensor:
        """Frames with those before them in front; at a clip's beginning zeros."""
        before = past.get(self)
        if before is None:
            batch, _, *rest = frames.shape
            before = frames.new_zeros(batch, n_before, *rest)
        joined = torch.cat([before, frames], dim=1)
        past[self] = joined[:, -n_before:].clone()
        return joined


class _RmsNorm(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(shape))


def _activate_and_convolve(
    stream: Stream, norm: nn.Module, conv: nn.Module, past: Past, *, keeps_sum: bool = False
) -> tuple[Tensor | None, Stream]:
    """Return the sum, if it is wanted, and what a convolution makes of it behind its RMS norm and
    SiLU. What the convolution has to know of the frames before is moved on in place."""
    if conv not in past:
        past[conv] = _two_of_zeros(stream.skip if stream.update is None else stream.update)
    gamma = norm.gamma.flatten()
    total, joined = activate(stream, gamma, past[conv], keeps_sum=keeps_sum)
    return total, Stream(None, conv(joined), conv.bias)


def _two_of_zeros(frames: Tensor | None) -> Tensor:  # [B, T, H, W, C] -> [B, 2, H, W, C]
    assert frames is not None  # noqa: S101
    batch, _, *rest = frames.shape
    return frames.new_zeros(batch, 2, *rest)


class Residual(nn.Module):
    """Two activated convolutions beside what they change (`ResidualBlock`)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        layers = {
            "0": _RmsNorm(n_in, 1, 1, 1),
            "2": CausalConv(n_in, n_out, 3, 3, 3),
            "3": _RmsNorm(n_out, 1, 1, 1),
            "6": CausalConv(n_out, n_out, 3, 3, 3),
        }
        self.residual = nn.ModuleDict(layers)
        self.shortcut = PointConv(n_in, n_out, 1, 1, 1) if n_in != n_out else None

    def forward(self, stream: Stream, past: Past) -> Stream:
        """The next frames of a clip."""
        norm_1, conv_1, norm_2, conv_2 = self.residual.values()
        skip, stream = _activate_and_convolve(stream, norm_1, conv_1, past, keeps_sum=True)
        _, stream = _activate_and_convolve(stream, norm_2, conv_2, past)
        if self.shortcut is not None:
            skip = self.shortcut(skip)
        return stream._replace(skip=skip)


class Head(nn.ModuleDict):
    """One activated convolution (the public code's `head`)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__({"0": _RmsNorm(n_in, 1, 1, 1), "2": CausalConv(n_in, n_out, 3, 3, 3)})

    def forward(self, stream: Stream, past: Past) -> Tensor:
        """The next frames of a clip."""
        _, made = _activate_and_convolve(stream, self["0"], self["2"], past)
        assert made.update is not None  # noqa: S101
        return made.update + made.bias


class Attention(nn.Module):
    """Each frame looks at itself, with a single head (`AttentionBlock`)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = _RmsNorm(dim, 1, 1)
        self.to_qkv = PointConv(dim, 3 * dim, 1, 1)
        self.proj = PointConv(dim, dim, 1, 1)

    def forward(self, stream: Stream, past: Past) -> Stream:
        """The next frames of a clip."""
        frames = settled(stream)
        normed = plain.normalise(frames, self.norm.gamma.flatten()).to(frames.dtype)
        tokens = self.to_qkv(normed).flatten(2, 3)  # [B, T, H * W, 3 C]
        queries, keys, values = (x.contiguous() for x in tokens.chunk(3, dim=-1))
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return Stream(frames + self.proj(attended.view_as(frames)))


class Downsample(nn.Module):
    """Half the height and width, and half the frames where `in_time` (`Resample`)."""

    def __init__(self, dim: int, *, in_time: bool) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": _Conv(dim, dim, 3, 3)})
        self.time_conv = CausalConv(dim, dim, 3, 1, 1) if in_time else None

    def forward(self, stream: Stream, past: Past) -> Stream:
        """The next frames of a clip: half as many where `in_time`, but for the first."""
        larger = settled(stream, rim=1)
        conv, over_time = self.resample["1"], self.time_conv
        stream = Stream(None, conv.in_frames(larger, stride=2), conv.bias)
        if over_time is None:
            return stream
        frames = settled(stream)
        if over_time not in past:  # a clip's first frame stays alone
            past[over_time] = frames
            return Stream(frames)
        joined = over_time.joined(frames, past, n_before=1)
        return Stream(None, over_time(joined, time_stride=2), over_time.bias)


class Upsample(nn.Module):
    """Twice the height and width, and twice the frames where `in_time` (`Resample`)."""

    def __init__(self, dim: int, *, in_time: bool) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": _Conv(dim, dim // 2, 3, 3)})
        self.time_conv = CausalConv(dim, 2 * dim, 3, 1, 1) if in_time else None

    def forward(self, stream: Stream, past: Past) -> Stream:
        """The next frames of a clip: twice as many where `in_time`, but for the first."""
        frames = settled(stream)[:, :, None]  # [B, T, 1 or 2, H, W, C]
        if self.time_conv is not None:
            frames = _in_time(self.time_conv, frames, past)
        batch, n_frames, n_each, height, width, channels = frames.shape
        pixels = frames[:, :, :, :, None, :, None].expand(-1, -1, -1, -1, 2, -1, 2, -1)
        larger = pixels.reshape(batch, n_frames * n_each, 2 * height, 2 * width, channels)
        conv = self.resample["1"]
        return Stream(None, conv.in_frames(larger, padding=1), conv.bias)


def _in_time(conv: CausalConv, frames: Tensor, past: Past) -> Tensor:  # [B, T, 1, H, W, C]
    """Two frames [B, T, 2, H, W, C] out of each, but for a clip's first, which the others do not
    see either."""
    if conv not in past:
        past[conv] = _two_of_zeros(frames[:, :, 0])
        return frames
    both = conv(conv.joined(frames[:, :, 0], past)) + conv.bias
    return both.unflatten(-1, (2, -1)).permute(0, 1, 4, 2, 3, 5)
