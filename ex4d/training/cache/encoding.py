"""A clip and its masks on their way through the encoders, as the engine encodes conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.render import Conditions
from ex4d.engines.wan.conditioning import ModelInput, prepare
from ex4d.engines.wan.encoding import color_values, first_frame_values, mask_values
from ex4d.engines.wan.image import encode_image
from ex4d.engines.wan.load import load_image_encoder, load_vae
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.errors import InputError
from ex4d.training.cache.files import tensor_name
from ex4d.video.writer import read_color, read_mask

if TYPE_CHECKING:
    from typing import Any

    import torch
    from torch import Tensor

    from ex4d.engines.wan.encoding import ReadFrames
    from ex4d.engines.wan.folder import ModelFiles
    from ex4d.training.dataset import ClipRecord, Dataset

__all__ = ["ClipEncoder", "ClipPictures", "read_pictures"]


@dataclass(frozen=True, eq=False)
class ClipPictures:
    """A clip and its masks, at training size."""

    video: np.ndarray  # uint8 [T, H, W, 3]
    masks: tuple[np.ndarray, ...]  # bool [T, H, W]; true is visible
    seeds: tuple[int, ...]  # of each mask; they choose its erosion

    def flipped(self) -> ClipPictures:
        """The same, mirrored: left is right."""
        masks = tuple(np.flip(mask, axis=2) for mask in self.masks)
        return ClipPictures(np.flip(self.video, axis=2), masks, self.seeds)


def read_pictures(dataset: Dataset, clip: ClipRecord) -> ClipPictures:
    """Read a clip's videos. Raises InputError: also when one has another size or length, or a mask
    does not show all of frame 0, which the model is given as its first frame."""
    settings = dataset.settings
    expected = (settings.num_frames, settings.height, settings.width)
    video = read_color(dataset.video(clip))[0]
    _check_shape(dataset.video(clip), video.shape[:3], expected)
    masks = []
    for record in clip.masks:
        path = dataset.mask(clip, record)
        mask = read_mask(path)[0]
        _check_shape(path, mask.shape, expected)
        if not mask[0].all():
            raise InputError(f"{path} does not show all of frame 0, as a mask for training must")
        masks.append(mask)
    if not masks:
        raise InputError(f"the clip {clip.name} has no masks")
    return ClipPictures(video, tuple(masks), tuple(record.seed for record in clip.masks))


def _check_shape(path: object, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        found, asked = (f"{n} frames of {width}x{height}" for n, height, width in (shape, expected))
        raise InputError(f"{path} has {found}; its dataset has {asked}")


class ClipEncoder:
    """The video and the image encoder, on one device."""

    def __init__(self, files: ModelFiles, device: torch.device) -> None:
        self._device = device
        self._vae = VideoAutoencoder(load_vae(files.vae, device), device)
        self._vae.to(device)
        self._image_encoder: Any = load_image_encoder(files.image_encoder, device).to(device)

    def encode(self, pictures: ClipPictures, *, flip: bool) -> dict[str, Tensor]:
        """Encode a clip, its first frame, and what each mask leaves of it; with `flip` all of it
        once more, mirrored. The tensors' names are those of `tensor_name`."""
        tensors = self._encode(pictures, flipped=False)
        if flip:
            tensors |= self._encode(pictures.flipped(), flipped=True)
        return tensors

    def _encode(self, pictures: ClipPictures, *, flipped: bool) -> dict[str, Tensor]:
        whole = np.ones(pictures.video.shape[:3], np.bool_)
        given = _as_at_inference(pictures.video, whole, 0)
        first = given.first_frame(0)
        videos: dict[tuple[str, int | None], ReadFrames] = {
            ("video", None): color_values(given.color),
            ("first", None): first_frame_values(first),
        }
        for number, (mask, seed) in enumerate(zip(pictures.masks, pictures.seeds, strict=True)):
            given = _as_at_inference(pictures.video, mask, seed)
            videos["color", number] = color_values(given.color)
            videos["mask", number] = mask_values(given.mask)
        frames = slice(0, len(given.mask))
        latents = self._vae.encode(
            list(videos.values()), frames, given.size, lambda done, total: None
        )
        features = encode_image(self._image_encoder, first, self._device)[0]
        return {
            tensor_name("features", None, flipped): features,
            **{
                tensor_name(part, number, flipped): tensor
                for (part, number), tensor in zip(videos, latents, strict=True)
            },
        }


def _as_at_inference(video: np.ndarray, mask: np.ndarray, seed: int) -> ModelInput:
    height, width = mask.shape[1:]
    return prepare(Conditions(video, mask), seed, (width, height))
