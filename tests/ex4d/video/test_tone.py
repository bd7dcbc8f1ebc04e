"""HDR clips are shown within a usual screen's range, and that is said."""

from __future__ import annotations

import av
import numpy as np
import pytest

from ex4d.errors import UsageError
from ex4d.video import read_clip
from ex4d.video.clip import VideoReading
from ex4d.video.coding import Transfer
from ex4d.video.tone import tone_mapped
from tests.reference.tone import light_to_pq
from tests.reference.tone import tone_mapped as slowly_mapped

KINDS = {"PQ": (Transfer.PQ, 16), "HLG": (Transfer.HLG, 18)}


def grey_of(light: float) -> np.ndarray:
    return np.full((1, 1, 3), round(65535 * light_to_pq(light)), np.uint16)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_recommendations_say(kind):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 65536, (40, 40, 3), dtype=np.uint16)
    picture[:8] = rng.integers(0, 65536, (8, 40, 1), dtype=np.uint16)  # greys
    picture[8:16] = picture[8:16] // 3  # and the dark
    picture[0, :2] = [[0], [65535]]
    shown = tone_mapped(picture, KINDS[kind][0])
    assert np.abs(shown - slowly_mapped(picture, kind)).max() <= 1


@pytest.mark.parametrize(("light", "level"), [(0, 0), (1, 15), (50, 136), (1000, 255), (9999, 255)])
def test_greys_keep_their_light_until_they_near_white(light, level):
    """15 and 136 are 1 and 50 of 203 cd/m2 by the sRGB curve."""
    assert abs(tone_mapped(grey_of(light), Transfer.PQ).astype(int) - level).max() <= 1


def test_brighter_is_never_darker():
    codes = np.repeat(np.arange(0, 65536, 16, dtype=np.uint16)[None, :, None], 3, axis=2)
    for transfer, _ in KINDS.values():
        assert (np.diff(tone_mapped(codes, transfer)[0].astype(int), axis=0) >= 0).all()


def hdr_clip(make_video, kind: str):
    """A phone's kind of clip: a grey of half the range beside a saturated green."""
    rgb = np.full((48, 64, 3), 32768, np.uint16)
    rgb[:, 32:] = (9000, 40000, 9000)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb48le").reformat(
        format="yuv444p10le", dst_colorspace="BT2020", dst_color_range="MPEG"
    )
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": KINDS[kind][1], "color_range": 1}
    return rgb, make_video("clip.mov", [frame] * 2, pixel_format="yuv444p10le", rate=24, **tags)


@pytest.mark.parametrize("kind", KINDS)
def test_an_hdr_clip_is_tone_mapped_and_that_is_said(make_video, kind):
    rgb, path = hdr_clip(make_video, kind)
    clip = read_clip(path)
    expected = slowly_mapped(rgb[:1, [8, 56]], kind)
    assert np.abs(clip.frames[:, 20:21, [8, 56]] - expected).max() <= 2
    assert clip.notes == (
        f"{path} is HDR ({kind}): it is tone mapped to sRGB (BT.2390, white at 203 of 1000 cd/m2); "
        "hdr keep leaves its code values alone",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_values_can_be_kept_and_that_is_said(make_video, kind):
    rgb, path = hdr_clip(make_video, kind)
    clip = read_clip(path, reading=VideoReading(hdr="keep"))
    assert np.abs(clip.frames[0, 20, [8, 56]] - rgb[20, [8, 56]] / 257).max() <= 1
    assert clip.notes == (
        f"{path} is HDR ({kind}): its code values are kept as they are and will look flat and dark",
    )


def test_another_way_is_no_way():
    with pytest.raises(UsageError, match="hdr is clip; it must be tonemap or keep"):
        VideoReading(hdr="clip")
