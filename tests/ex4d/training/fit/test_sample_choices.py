"""What a sample is follows from the seed and its number alone."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from ex4d.training.cache.files import Cache, CacheSettings, ClipEntry
from ex4d.training.fit.sample_choices import SampleChoices, held_out_choice
from ex4d.training.fit.settings import TrainSettings

ENTRIES = tuple(
    ClipEntry(f"clip{n}", f"{n}.mp4", f"prompt {n}", Fraction(24), ("a.mp4", "b.mp4", "c.mp4"), "x")
    for n in range(7)
)


def draws_of(*, flipped=True, **settings):
    shared = CacheSettings(64, 64, 9, (2, 8), flipped, "", "", "")
    return SampleChoices(Cache(Path(), shared, ENTRIES), ENTRIES, TrainSettings(**settings))


def test_every_epoch_shows_each_clip_once_in_an_order_of_its_own():
    draws = draws_of()
    epochs = [[draws[7 * epoch + n].entry.name for n in range(7)] for epoch in range(5)]
    assert all(sorted(epoch) == sorted(e.name for e in ENTRIES) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_samples_are_the_same_in_any_order_and_differ_with_the_seed():
    forwards, backwards = draws_of(), draws_of()
    one = [forwards[n] for n in range(40)]
    other = [backwards[n] for n in reversed(range(40))][::-1]
    assert one == other
    assert one != [draws_of(seed=1)[n] for n in range(40)]
    assert len({draw.noise_seed for draw in one}) == 40


def test_masks_levels_prompts_and_sides_are_drawn_evenly():
    draws, n_draws = draws_of(prompt_dropout=0.25), 4000
    all_draws = [draws[n] for n in range(n_draws)]
    masks = Counter(draw.mask for draw in all_draws)
    assert all(count == pytest.approx(n_draws / 3, rel=0.1) for count in masks.values())
    assert len(masks) == 3
    levels = [draw.level for draw in all_draws]
    assert (min(levels), max(levels)) == pytest.approx((0, 999), abs=5)
    assert sum(levels) / n_draws == pytest.approx(499.5, rel=0.03)
    assert sum(draw.flipped for draw in all_draws) == pytest.approx(n_draws / 2, rel=0.1)
    dropped = [draw for draw in all_draws if not draw.prompt]
    assert len(dropped) == pytest.approx(n_draws / 4, rel=0.15)
    assert all(d.prompt in ("", d.entry.prompt) for d in all_draws)


def test_nothing_is_flipped_where_the_cache_has_no_flipped_clips():
    draws = draws_of(flipped=False)
    assert not any(draws[n].flipped for n in range(50))


def test_a_held_out_clip_is_looked_at_in_the_same_way_every_time():
    first = [held_out_choice(0, entry) for entry in ENTRIES]
    assert first == [held_out_choice(0, entry) for entry in ENTRIES]
    assert len({draw.level for draw in first}) > 1
    assert all(draw.prompt == draw.entry.prompt and not draw.flipped for draw in first)
