"""nvdiffrast behind the same interface: refused in words without it, equal to the CPU with it."""

import importlib.util

import numpy as np
import pytest

from ex4d.errors import MissingPartError
from ex4d.mesh.dw_mesh import MeshSettings, build_mesh
from ex4d.raster.base import RenderCamera
from ex4d.raster.choose import make_rasterizer
from ex4d.raster.cpu import CpuRasterizer


def has_nvdiffrast():
    if importlib.util.find_spec("nvdiffrast") is None:
        return False
    import torch

    return torch.cuda.is_available()


def scene(back_faces_are_holes):
    y, x = np.mgrid[:96, :128]
    depth = (4 + np.sin(x / 15) - 1.5 * ((x - 60) ** 2 + (y - 50) ** 2 < 400)).astype(np.float32)
    rgb = np.stack([100 + 80 * np.sin(x / k) * np.cos(y / 9) for k in (7, 11, 17)], axis=-1)
    intrinsics = np.array([[130.0, 0, 64], [0, 130, 48], [0, 0, 1]])
    mesh = build_mesh(rgb.astype(np.uint8), depth, MeshSettings(intrinsics, 12.0))
    angle = 0.5
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), 0, -np.sin(angle)],
        [0, 1, 0],
        [np.sin(angle), 0, np.cos(angle)],
    ]
    pose[:3, 3] = [1.6, 0.1, 0.4]
    return mesh, RenderCamera(
        pose, intrinsics, 128, 96, near=1e-3, far=1e3, back_faces_are_holes=back_faces_are_holes
    )


@pytest.mark.skipif(has_nvdiffrast(), reason="nvdiffrast runs here")
def test_without_it_the_message_names_the_remedy_and_the_licence():
    with pytest.raises(MissingPartError, match="--rasterizer cpu") as caught:
        make_rasterizer("nvdiffrast")
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not has_nvdiffrast(), reason="needs nvdiffrast and a CUDA GPU")
@pytest.mark.parametrize("back_faces_are_holes", [False, True])
def test_it_draws_what_the_cpu_draws(back_faces_are_holes):
    mesh, camera = scene(back_faces_are_holes)
    theirs = make_rasterizer("nvdiffrast").render(mesh, camera)
    ours = CpuRasterizer().render(mesh, camera)
    masks = theirs.rgba[..., 3] > 125, ours.rgba[..., 3] > 125
    iou = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    hit = ours.face >= 0
    same = (theirs.face == ours.face) & hit
    color_error = np.abs(theirs.rgba - ours.rgba)[same].mean()
    disparity_error = np.abs(theirs.disparity[same] / ours.disparity[same] - 1)
    barycentric_error = np.abs(theirs.barycentric - ours.barycentric)[same]
    print(f"\nmask IoU {iou:.4f}, same face {same.sum() / hit.sum():.4f}, "
          f"colour {color_error:.3f} levels, "
          f"disparity {np.percentile(disparity_error, 99):.1e}, "
          f"barycentric {np.percentile(barycentric_error, 99):.1e}")  # fmt: skip
    assert iou > 0.995
    assert same.sum() > 0.9 * hit.sum()
    assert ((theirs.face >= 0) == hit).mean() > 0.995
    assert color_error < 0.5
    assert np.percentile(disparity_error, 95) < 1e-2
    assert np.percentile(barycentric_error, 95) < 0.1
