"""Prompts: encoded as diffsynth does, and only once."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.prompts import PromptCache, TextEncoder, fingerprint
from ex4d.errors import WeightsError

from . import tiny

CPU = torch.device("cpu")


@pytest.fixture
def tokenizer(models):
    return models / "Wan2.1-I2V-14B-480P" / "google" / "umt5-xxl"


def test_a_prompt_is_encoded_as_diffsynth_does_up_to_its_length(tokenizer):
    text = "a red   room "
    ours = TextEncoder(tiny.make_text_encoder().eval(), tokenizer, CPU).encode(text)
    library = import_diffsynth("models.wan_video_text_encoder")
    ids, mask = library.HuggingfaceTokenizer(name=str(tokenizer), seq_len=512, clean="whitespace")(
        text, return_mask=True, add_special_tokens=True
    )
    with torch.no_grad():
        whole = tiny.make_text_encoder().eval()(ids, mask)
    torch.testing.assert_close(ours, whole[0, :3])
    assert ours.shape == (3, tiny.TEXT_DIM)


def test_a_prompt_is_encoded_once_for_each_encoder(tmp_path):
    made = []

    def encode():
        made.append(1)
        return torch.full((3, 4), float(len(made)))

    cache = PromptCache(tmp_path / "prompts", "first")
    assert (cache.get("a", encode) == 1).all()
    assert (PromptCache(tmp_path / "prompts", "first").get("a", encode) == 1).all()
    assert (cache.get("b", encode) == 2).all()
    assert (PromptCache(tmp_path / "prompts", "second").get("a", encode) == 3).all()


def test_a_damaged_entry_is_made_again_and_a_closed_folder_does_no_harm(tmp_path):
    cache = PromptCache(tmp_path / "prompts", "x")
    cache.get("a", lambda: torch.ones(1, 2))
    (entry,) = (tmp_path / "prompts").iterdir()
    entry.write_bytes(b"damaged")
    assert (cache.get("a", lambda: torch.zeros(1, 2)) == 0).all()
    assert (cache.get("a", lambda: torch.ones(1, 2)) == 0).all()
    (tmp_path / "file").touch()
    closed = PromptCache(tmp_path / "file" / "prompts", "x")
    assert (closed.get("a", lambda: torch.ones(1, 2)) == 1).all()


def test_a_prompt_that_must_be_there_is_read_or_named(tmp_path):
    cache = PromptCache(tmp_path, "x")
    cache.get("a", lambda: torch.ones(1, 2))
    assert (cache.read("a") == 1).all()
    with pytest.raises(WeightsError, match="there is no file"):
        cache.read("b")


def test_a_fingerprint_tells_files_apart(tmp_path):
    path = tmp_path / "weights"
    seen = set()
    for content in (b"", b"a", b"b", bytes(1 << 20), b"x" + bytes((1 << 20) - 1)):
        path.write_bytes(content)
        seen.add(fingerprint(path))
    assert len(seen) == 5


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    encoder = TextEncoder(tiny.make_text_encoder().eval(), tmp_path, CPU)
    with pytest.raises(WeightsError, match="is not a readable tokenizer"):
        encoder.encode("a")
