"""Networks with random weights: what must hold whatever the weights are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ex4d.errors import WeightsError
from ex4d.runtime.torchvision_operators import import_torchvision
from ex4d.training.evaluation.networks import (
    InceptionFeatures,
    Lpips,
    VideoFeatures,
    frechet_distance,
)

CPU = torch.device("cpu")


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)


def test_lpips_is_zero_for_the_same_picture_and_grows_with_noise(weights, frames):
    lpips = Lpips(weights["lpips_alexnet"], weights["lpips_heads"], CPU)
    noise = np.random.default_rng(1).normal(0, 1, frames.shape)
    noisy = [np.clip(frames + level * noise, 0, 255).astype(np.uint8) for level in (0, 10, 80)]
    distances = [lpips.compare(result, frames) for result in noisy]
    assert not distances[0].any()
    assert (distances[2] > distances[1]).all()
    assert (distances[1] > 0).all()
    swapped = lpips.compare(frames, noisy[2])
    assert swapped == pytest.approx(distances[2], rel=1e-5)


def test_lpips_is_that_of_its_formula(weights, frames):
    """Over torchvision's whole network, its five ReLUs taken by hooks."""
    network = import_torchvision("models").alexnet(weights=None).features.eval()
    stored = torch.load(weights["lpips_alexnet"], weights_only=True)
    network.load_state_dict(
        {n.removeprefix("features."): t for n, t in stored.items() if n.startswith("features.")}
    )
    heads = torch.load(weights["lpips_heads"], weights_only=True)
    kept = []
    for number in (1, 4, 7, 9, 11):
        network[number].register_forward_hook(lambda _, inputs, output: kept.append(output.clone()))
    mean, deviation = (
        torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    other = frames[:, ::-1].copy()
    for video in (frames, other):
        network[:12]((torch.tensor(video).permute(0, 3, 1, 2) / 255 - mean) / deviation)
    expected = 0
    for number, head in enumerate(heads.values()):
        one, two = (torch.nn.functional.normalize(kept[number + at]) for at in (0, 5))
        expected = expected + (head * (one - two) ** 2).sum(1).mean((1, 2))
    ours = Lpips(weights["lpips_alexnet"], weights["lpips_heads"], CPU).compare(frames, other)
    assert ours == pytest.approx(expected.detach().numpy(), rel=1e-4)


def test_inception_features_are_those_of_pytorch_fid(weights):
    """Its version 0.3.0 gives these numbers for the same weights and picture."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    features = InceptionFeatures(weights["fid_weights"], CPU).of(picture)
    assert features.shape == (1, 2048)
    expected = [0.0225473, 0.5527499, 0.0, 0.0110358, 0.0150878, 0.0576405, 0.0044037, 0.0033120]
    assert features[0, ::256].tolist() == pytest.approx(expected, rel=1e-4)
    assert float(features.mean()) == pytest.approx(0.2272173, rel=1e-4)


def test_video_features_come_from_the_users_program(weights, frames):
    network = VideoFeatures(weights["fvd_network"], CPU)
    assert network.of(frames).shape == (1, 6)
    torch.testing.assert_close(network.of(frames), network.of(frames))
    with pytest.raises(WeightsError, match="no TorchScript program"):
        VideoFeatures(weights["lpips_heads"], CPU)
    with pytest.raises(WeightsError, match="no file"):
        VideoFeatures(weights["lpips_heads"].with_name("none.pt"), CPU)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(WeightsError, match="Inception network"):
        InceptionFeatures(weights["lpips_heads"], CPU)
    with pytest.raises(WeightsError, match="AlexNet"):
        Lpips(weights["lpips_heads"], weights["lpips_heads"], CPU)


def test_the_distance_of_normal_distributions_is_the_known_one():
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    one = (one - one.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(one.T))).T
    other = one * torch.tensor([1.0, 2.0, 5.0]) + torch.tensor([3.0, 0.0, 0.0])
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other) == pytest.approx(9 + (2 - 1) ** 2 + (5 - 1) ** 2)
    few = torch.randn(4, 9, generator=generator, dtype=torch.float64)  # fewer than dimensions
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
