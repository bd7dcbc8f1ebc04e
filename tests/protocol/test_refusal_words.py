"""What a schema refuses is said in plain words."""

from __future__ import annotations

import msgspec
import pytest

from protocol.codec import decode_control
from protocol.errors import InvalidArgument, InvalidMessage
from protocol.messages.refusal_words import words_for

SHOT = {
    "kind": "shot",
    "source": {
        "clip": {"sha256": "0" * 64, "size": 1},
        "clip_name": "a.mp4",
        "depth": {"kind": "estimate", "estimator": ""},
    },
    "trajectory": {
        "n_frames": 2,
        "width": 64,
        "height": 64,
        "extrinsics": b"1",
        "intrinsics": b"1",
    },
}


def refusal_of(**changes) -> str:
    """What is said of a submitted job with these changes; the field, too."""
    job = {**SHOT, **{name: {**SHOT[name], **values} for name, values in changes.items()}}
    message = {"type": "submit", "id": 1, "key": "k", "job": job, "label": ""}
    with pytest.raises((InvalidArgument, InvalidMessage)) as caught:
        decode_control([msgspec.msgpack.encode(message)])
    return caught.value.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trajectory": {"width": 16384}}, "trajectory width must be at most 8192."),
        ({"trajectory": {"height": 4}}, "trajectory height must be at least 16."),
        ({"trajectory": {"width": "x"}}, "trajectory width must be a whole number, not a text."),
        ({"source": {"fov_deg": 0.4}}, "source fov deg must be at least 1."),
        ({"source": {"clip_name": "n" * 999}}, "source clip name must have at most"),
        ({"source": {"hdr": "x"}}, "source hdr may not be 'x'."),
        ({"source": {"zoom": 1}}, "source zoom is not known to this version."),
    ],
)
def test_what_a_job_may_not_have_is_said_in_plain_words(changes, words):
    said = refusal_of(**changes)
    assert words in said
    assert "`" not in said
    assert "$" not in said


def test_what_msgspec_says_otherwise_is_a_sentence_too():
    assert words_for("Object missing required field `clip`") == "clip is missing"
    assert words_for("Expected `array` of length >= 2 - at `$.d[0]`") == (
        "d must have at least 2 entries"
    )
    assert words_for("Expected `str | null`, got `int` - at `$.job.layer`") == (
        "layer must be a text or nothing, not a whole number"
    )
    assert words_for("MessagePack data is malformed: x") == "its bytes are damaged"
