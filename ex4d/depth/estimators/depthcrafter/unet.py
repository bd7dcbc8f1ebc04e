"""One pass of DepthCrafter's denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["denoise_once"]


def denoise_once(
    unet: Any,  # diffusers' UNetSpatioTemporalConditionModel
    latents: Tensor,  # [1, T, C, h, w], of noise and of the clip
    timestep: Tensor,  # []
    embeddings: Tensor,  # [1, T, D], of each frame's picture
    time_ids: Tensor,  # [1, 3]: frame rate, motion bucket, noise on the clip
) -> Tensor:  # [1, T, C', h, w]
    """Predict the noise of a clip.

    Stable Video Diffusion's network, whose own forward looks at one picture for all frames; here
    each frame has the embedding of its own, so its blocks are called one by one.
    """
    n_frames, dtype = latents.shape[1], unet.conv_in.weight.dtype
    embedding = unet.time_embedding(unet.time_proj(timestep[None]).to(dtype))
    added = unet.add_time_proj(time_ids.flatten()).reshape(1, -1).to(dtype)
    embedding = (embedding + unet.add_embedding(added)).repeat(n_frames, 1)
    hidden = unet.conv_in(latents.flatten(0, 1).to(dtype))
    with_time = {
        "image_only_indicator": torch.zeros(1, n_frames, dtype=dtype, device=hidden.device)
    }
    attended = {**with_time, "encoder_hidden_states": embeddings.flatten(0, 1)[:, None].to(dtype)}

    def options(block: Any) -> dict[str, Tensor]:
        return attended if getattr(block, "has_cross_attention", False) else with_time

    kept = (hidden,)
    for block in unet.down_blocks:
        hidden, outputs = block(hidden_states=hidden, temb=embedding, **options(block))
        kept += outputs
    hidden = unet.mid_block(hidden_states=hidden, temb=embedding, **attended)
    for block in unet.up_blocks:
        n_kept = len(block.resnets)
        hidden = block(
            hidden_states=hidden,
            temb=embedding,
            res_hidden_states_tuple=kept[-n_kept:],
            **options(block),
        )
        kept = kept[:-n_kept]
    hidden = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
    return hidden[None]
