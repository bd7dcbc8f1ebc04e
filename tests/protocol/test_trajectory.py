"""Camera paths: what is refused, naming the frame and the value (M6)."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from protocol.errors import InvalidArgument
from protocol.messages.jobs import BlobId, Generate
from protocol.trajectory import check_job, pack_trajectory, unpack_trajectory

from .samples import BLOB, RECONSTRUCT, arrays, shot, trajectory


def changed(name: str, index: tuple, value: float):
    path = trajectory(source_frames=np.arange(4), source_extrinsics=np.tile(np.eye(4), (4, 1, 1)))
    array = getattr(path, name).copy()
    array[index] = value
    return pack_trajectory(type(path)(**(path.__dict__ | {name: array})))


def test_a_path_survives_packing():
    path = trajectory(
        source_frames=np.array([0, 0, 3, 1]), source_extrinsics=np.tile(np.eye(4), (4, 1, 1))
    )
    back = unpack_trajectory(pack_trajectory(path), 4)
    for name, value in path.__dict__.items():
        np.testing.assert_array_equal(getattr(back, name), value)


@pytest.mark.parametrize(
    ("name", "index", "value", "said"),
    [
        ("extrinsics", (2, 0, 3), np.nan, "nan"),
        ("extrinsics", (2, 0, 0), np.inf, "inf"),
        ("extrinsics", (2, 1, 3), 1e9, "1e+09"),
        ("extrinsics", (2, 0, 0), 2.0, "3"),  # scale
        ("extrinsics", (2, 0, 0), 1e200, "999999"),
        ("extrinsics", (2, 0, 1), 0.5, "0.5"),  # shear
        ("extrinsics", (2, 2, 2), -1.0, "-1"),  # mirrored
        ("extrinsics", (2, 3, 0), 1.0, "1"),
        ("intrinsics", (2, 0, 0), 0.0, "0"),
        ("intrinsics", (2, 1, 1), -5.0, "-5"),
        ("intrinsics", (2, 0, 2), 1e9, "1e+09"),
        ("source_frames", (2,), 4, "4"),
        ("source_frames", (2,), -1, "-1"),
        ("source_extrinsics", (2, 0, 3), np.nan, "nan"),
    ],
)
def test_m6_a_wrong_value_is_refused_with_frame_and_value(name, index, value, said):
    with pytest.raises(InvalidArgument, match="Frame 2 ") as caught:
        unpack_trajectory(changed(name, index, value), 4)
    assert caught.value.facts["field"] == name
    assert caught.value.facts["frame"] == "2"
    assert said in caught.value.text


def test_m6_a_skewed_lens_is_refused_when_it_is_packed():
    with pytest.raises(InvalidArgument, match=r"Frame 2 .* is skewed by 0\.5"):
        changed("intrinsics", (2, 0, 1), 0.5)


def test_poses_that_were_rounded_to_four_digits_are_taken():
    turn, tilt = np.cos([1.234, 0.4]), np.sin([1.234, 0.4])
    about_y = np.array([[turn[0], 0, tilt[0]], [0, 1, 0], [-tilt[0], 0, turn[0]]])
    about_x = np.array([[1, 0, 0], [0, turn[1], -tilt[1]], [0, tilt[1], turn[1]]])
    path = trajectory()
    path.extrinsics[:, :3, :3] = (about_y @ about_x).round(4)
    unpack_trajectory(pack_trajectory(path), 4)


@pytest.mark.parametrize("name", ["extrinsics", "intrinsics", "source_frames"])
@pytest.mark.parametrize("surplus", [-1, 1, 8])
def test_m6_an_array_of_another_length_is_refused(name, surplus):
    right = arrays(source_frames=np.arange(4))
    data = getattr(right, name)
    data = data[:surplus] if surplus < 0 else data + bytes(surplus)
    with pytest.raises(InvalidArgument) as caught:
        unpack_trajectory(msgspec.structs.replace(right, **{name: data}), 4)
    assert caught.value.facts["field"] == name


def test_m6_a_source_path_for_another_number_of_frames_is_refused():
    path = arrays(source_extrinsics=np.tile(np.eye(4), (3, 1, 1)))
    with pytest.raises(InvalidArgument):
        unpack_trajectory(path, 4)


def test_m6_a_job_with_an_empty_file_is_refused():
    check_job(RECONSTRUCT)
    check_job(shot())
    check_job(Generate(BLOB, BLOB))
    with pytest.raises(InvalidArgument):
        check_job(Generate(BLOB, BlobId("0" * 64, 0)))
    empty = msgspec.structs.replace(RECONSTRUCT.source, clip=BlobId("0" * 64, 0))
    with pytest.raises(InvalidArgument):
        check_job(msgspec.structs.replace(RECONSTRUCT, source=empty))
