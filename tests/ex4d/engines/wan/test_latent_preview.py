"""Pictures of latents without the VAE."""

from __future__ import annotations

import numpy as np
import torch

from ex4d.engines.wan.latent_preview import LatentColors


def test_colours_that_depend_linearly_on_latents_are_found_again():
    torch.manual_seed(0)
    latents = torch.randn(1, 16, 4, 6, 8)
    truth = 0.03 * torch.randn(16, 3)
    colors = (latents[0].permute(1, 2, 3, 0) @ truth + 0.5).clamp(0, 1).numpy()
    large = (255 * colors + 0.5).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    drawn = LatentColors(latents, large).draw(latents)
    assert drawn.shape == (4, 6, 8, 3)
    assert np.abs(drawn.astype(float) - 255 * colors).mean() < 4


def test_a_clip_of_one_colour_is_drawn_in_it():
    latents = torch.ones(1, 16, 2, 4, 4)
    drawn = LatentColors(latents, np.full((2, 32, 32, 3), 90, np.uint8)).draw(latents)
    np.testing.assert_allclose(drawn, 90, atol=2)
