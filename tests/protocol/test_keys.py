"""Key files."""

from __future__ import annotations

import os
import stat

import pytest

from protocol.errors import InvalidArgument
from protocol.keys import (
    authorise,
    authorised_clients,
    check_key,
    fingerprint,
    load_key_pair,
    make_key_pair,
    save_key_pair,
)


def test_a_saved_pair_is_loaded_again(tmp_path):
    pair = make_key_pair()
    save_key_pair(pair, tmp_path / "keys", "server")
    assert load_key_pair(tmp_path / "keys", "server") == pair


def test_a_secret_file_is_for_its_owner_only(tmp_path):
    _, secret = save_key_pair(make_key_pair(), tmp_path, "server")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="modes say nothing there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_h16_a_secret_that_others_may_read_is_refused_in_words(tmp_path, mode):
    _, secret = save_key_pair(make_key_pair(), tmp_path, "server")
    secret.chmod(mode)
    with pytest.raises(InvalidArgument, match=f"others may read.*{mode:04o}.*chmod 600"):
        load_key_pair(tmp_path, "server")
    secret.chmod(0o400)
    load_key_pair(tmp_path, "server")


@pytest.mark.skipif(os.name != "posix", reason="there are no pipes with names")
def test_a_pipe_in_place_of_a_key_holds_nobody_up(tmp_path):
    save_key_pair(make_key_pair(), tmp_path, "server")
    (tmp_path / "server.key").unlink()
    os.mkfifo(tmp_path / "server.key")
    with pytest.raises(InvalidArgument, match="is no file"):
        load_key_pair(tmp_path, "server")


def test_keys_are_never_overwritten(tmp_path):
    pair = make_key_pair()
    save_key_pair(pair, tmp_path, "server")
    with pytest.raises(FileExistsError):
        save_key_pair(make_key_pair(), tmp_path, "server")
    (tmp_path / "server.key").unlink()
    with pytest.raises(FileExistsError):
        save_key_pair(make_key_pair(), tmp_path, "server")
    assert pair.secret in (tmp_path / "server.secret").read_text()


def test_a_secret_is_not_printed():
    pair = make_key_pair()
    assert pair.secret not in repr(pair)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    save_key_pair(make_key_pair(), tmp_path, "a")
    save_key_pair(make_key_pair(), tmp_path, "b")
    (tmp_path / "a.key").write_text((tmp_path / "b.key").read_text())
    with pytest.raises(InvalidArgument):
        load_key_pair(tmp_path, "a")


@pytest.mark.parametrize("text", ["", "short", "x" * 41, "~" * 40, "#" * 40, "ä" * 40])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(InvalidArgument):
        check_key(text)


def test_white_space_around_a_pasted_key_does_not_matter():
    key = make_key_pair().public
    assert check_key(f"  {key}\n") == key


def test_authorised_clients_are_the_key_files_of_a_folder(tmp_path):
    pair = make_key_pair()
    authorise(tmp_path, "ada", pair.public)
    (tmp_path / "broken.key").write_text("no key")
    (tmp_path / "notes.txt").write_text(make_key_pair().public)
    assert authorised_clients(tmp_path) == {pair.public: "ada"}
    assert authorised_clients(tmp_path / "none") == {}


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "nul\0", "x" * 200, "ü"])
def test_a_name_cannot_leave_the_folder(tmp_path, name):
    with pytest.raises(InvalidArgument):
        authorise(tmp_path, name, make_key_pair().public)


def test_a_fingerprint_is_short_and_differs():
    first, second = fingerprint(make_key_pair().public), fingerprint(make_key_pair().public)
    assert len(first) == 19
    assert first != second


def test_a_public_key_is_never_taken_for_a_flag():
    assert not any(make_key_pair().public.startswith("-") for _ in range(500))
