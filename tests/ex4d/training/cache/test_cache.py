"""From a dataset to a cache: what is in it is what the engine would encode."""

from __future__ import annotations

from ex4d.training.cache.files import read_cache


def test_x(cache):
    c = read_cache(cache)
    print(c)
    print([(k, v.shape, v.abs().max()) for k, v in vars(c.encoded(c.entries[0], 1)).items()])
