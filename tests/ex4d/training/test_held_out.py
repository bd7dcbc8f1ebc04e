"""Which clips are kept from training."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from ex4d.training.held_out import split_clips


def clips_of(sources):
    return [
        SimpleNamespace(name=f"{source}-{n}", source=source) for n, source in enumerate(sources)
    ]


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.integers(0, 12))
def test_whole_videos_are_held_out_and_no_clip_is_lost(sources, count):
    clips = clips_of(sources)
    training, held_out = split_clips(clips, count)
    assert sorted(c.name for c in [*training, *held_out]) == sorted(c.name for c in clips)
    assert not {c.source for c in training} & {c.source for c in held_out}
    assert len(held_out) >= min(count, len(clips))
    if count == 0:
        assert held_out == []


def test_the_choice_depends_on_the_videos_names_alone_and_survives_growth():
    names = [f"video {n}.mp4" for n in range(40)]
    _, before = split_clips(clips_of(names), 8)
    _, shuffled = split_clips(clips_of(names[::-1]), 8)
    assert {c.source for c in before} == {c.source for c in shuffled}
    _, grown = split_clips(clips_of([*names, "one more.mp4"]), 8)
    assert len({c.source for c in before} & {c.source for c in grown}) >= 7
