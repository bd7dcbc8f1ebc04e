"""M6, M7: messages that can be read, with values that make no sense or try to be paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from protocol import messages as m
from protocol.errors import InvalidArgument, InvalidMessage
from protocol.messages.jobs import Generate
from tests.protocol.samples import BLOB, arrays, as_map, shot

from .rig import OK, packed

if TYPE_CHECKING:
    from pathlib import Path

TRICKS = [
    *("../../escape", "/etc/passwd", "C:\\Windows\\x", "nul\0byte", "CON", "aux.mp4", "."),
    *("~", "$(reboot)", "a\nb", "🎬" * 50, "\u202egnp.exe", "%2e%2e%2f", ""),
]


@pytest.fixture
def rig(idle):
    """The same server for every case, and none makes it do anything."""
    return idle


def bad_paths():
    """Camera paths of 4 frames with something wrong in frame 2, and what is to be said of it."""
    good = np.tile(np.eye(4), (4, 1, 1))
    lens = np.tile([500.0, 500.0, 256.0, 256.0], (4, 1))

    def changed(array, frame, place, value):
        array = array.copy()
        array[frame][place] = value
        return array.astype("<f8").tobytes()

    yield "wrong count", {"n_frames": 5}, None
    yield "cut short", {"extrinsics": good.tobytes()[:-8]}, None
    yield "no rotation", {"extrinsics": changed(good, 2, (0, 1), 0.5)}, "2"
    yield "mirrored", {"extrinsics": changed(good, 2, (0, 0), -1)}, "2"
    yield "scaled", {"extrinsics": changed(good, 2, (slice(3), slice(3)), 2 * np.eye(3))}, "2"
    yield "nan", {"extrinsics": changed(good, 2, (0, 3), np.nan)}, "2"
    yield "too far", {"extrinsics": changed(good, 2, (0, 3), 1e9)}, "2"
    yield "last row", {"extrinsics": changed(good, 2, (3, 0), 1)}, "2"
    yield "no focal length", {"intrinsics": changed(lens, 2, 0, 0)}, "2"
    yield "infinite lens", {"intrinsics": changed(lens, 2, 2, np.inf)}, "2"
    frames = np.array([0, 1, 9, 3], "<i8").tobytes()
    yield "source frame", {"source_frames": frames}, "2"
    yield "too small", {"width": 15}, None
    yield "too large", {"height": 8193}, None


@pytest.mark.parametrize(
    ("what", "changes", "frame"), [pytest.param(*p, id=p[0]) for p in bad_paths()]
)
def test_m6_a_wrong_camera_path_is_refused_with_frame_and_value(rig, what, changes, frame):
    path = msgspec.structs.replace(arrays(), **changes)
    began = rig.runs()
    with rig.client() as client:
        with pytest.raises(InvalidArgument) as refusal:
            client.submit(msgspec.structs.replace(shot(), trajectory=path), key=what)
        assert refusal.value.facts.get("frame") == frame
        assert "field" in refusal.value.facts
    assert rig.runs() == began


@pytest.mark.parametrize(
    "changes",
    [
        *({"num_frames": n} for n in (0, 1, 4097, 100_000)),
        *({"start_frame": -1}, {"stride": 0}, {"width": 8193}, {"fov_deg": 180.0}),
    ],
    ids=str,
)
def test_m6_a_wrong_choice_of_frames_is_refused_with_the_field(rig, changes):
    source = msgspec.structs.replace(shot().source, **changes)
    with rig.client() as client, pytest.raises(InvalidArgument) as refusal:
        client.submit(msgspec.structs.replace(shot(), source=source), key="a")
    [name] = changes
    assert refusal.value.facts["field"] == f"$.job.source.{name}"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_m7_names_are_text_and_never_become_paths(make_rig):
    rig = make_rig()
    rig.start()
    with rig.client() as client:
        job = rig.job(client, OK)
        before = tree(rig.root)
        for number, name in enumerate(TRICKS):
            info = client.submit(job, key=f"{number}{name}", label=name)
            rig.acknowledged.add(info.job_id)
            assert (info.label, info.key) == (name, f"{number}{name}")
            assert rig.ended(client, info.job_id).state == "done"
        with pytest.raises(InvalidMessage):
            client.submit(job, key="long", label="x" * 4096)
        new = {path for path in tree(rig.root) - before if "blobs" not in path}
    assert new <= {"data/journal.sqlite-wal", "data/journal.sqlite-shm", "runs"}, new


@pytest.mark.parametrize("trick", ["../" * 21 + "x", "/" * 64, "A" * 64, "0" * 63 + "\n"])
def test_m7_an_address_that_is_no_hash_is_refused(data_peer, peer, trick):
    for message in (m.BeginUpload(5, BLOB), m.Fetch(5, BLOB, 0, 1)):
        fields = as_map(message)
        fields["blob"]["sha256"] = trick
        assert data_peer.data(msgspec.msgpack.encode(fields)).code == "invalid_message"
    job = as_map(Generate(BLOB, BLOB))
    job["color"]["sha256"] = trick
    answer = peer.control(packed(type="submit", id=9, key="a", job=job))
    assert (answer.code, answer.reply_to) == ("invalid_argument", 9)
