"""`ex4d keys`, as its users run it."""

from __future__ import annotations

import os
import stat

import pytest

from ex4d.cli.main import main
from protocol.keys import fingerprint, make_key_pair

ANNA, BEN = make_key_pair().public, make_key_pair().public


@pytest.fixture
def keys(tmp_path, capsys):
    """A function that runs `ex4d keys ACTION` on a folder where Anna and Ben may connect; returns
    the exit code and what was printed."""

    def run(action, *flags):
        code = main(["keys", action, "--keys", str(tmp_path / "keys"), *flags])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    assert run("server")[0] == 0
    for name, key in (("anna", ANNA), ("ben", BEN)):
        assert run("authorise", "--name", name, "--public_key", key)[0] == 0
    return run


def test_the_list_tells_names_keys_and_fingerprints(keys):
    code, text = keys("list")
    assert code == 0
    assert text.splitlines() == [
        f"anna  {ANNA}  ({fingerprint(ANNA)})",
        f"ben  {BEN}  ({fingerprint(BEN)})",
    ]


@pytest.mark.parametrize("how", [("--name", "anna"), ("--public_key", ANNA)])
def test_h10_a_revoked_client_is_out_and_nobody_else(keys, how):
    code, text = keys("revoke", *how)
    assert code == 0
    assert text.startswith("anna may connect no more")
    assert [line.split()[0] for line in keys("list")[1].splitlines()] == ["ben"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--name", "ana"), "no client called 'ana'; authorised are 'anna', 'ben'"),
        (("--name", "../server"), "no client called '../server'"),
        (("--public_key", make_key_pair().public), "no client with this key"),
        (("--name", "anna", "--public_key", BEN), "no client called 'anna' and with this key"),
        (("--public_key", "short"), "has 5 characters"),
        ((), "needs --name or --public_key"),
    ],
)
def test_a_revocation_of_nobody_is_refused_in_words_and_changes_nothing(keys, flags, words):
    before = keys("list")
    code, text = keys("revoke", *flags)
    assert code == 2
    assert words in text
    assert keys("list") == before


def test_a_key_has_one_name(keys):
    code, text = keys("authorise", "--name", "anna2", "--public_key", ANNA)
    assert code == 2
    assert "authorised already, as 'anna'" in text
    assert len(keys("list")[1].splitlines()) == 2


def test_revoking_a_name_revokes_its_key_under_every_name(keys, tmp_path):
    (tmp_path / "keys" / "clients" / "copy.key").write_text(ANNA)
    code, text = keys("revoke", "--name", "anna")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["anna", "copy"]
    assert ANNA not in keys("list")[1]


def test_what_lets_nobody_in_is_named_and_can_be_removed(keys, tmp_path):
    clients = tmp_path / "keys" / "clients"
    (clients / "carl.key").write_text("no key")
    (clients / "dora.pub").write_text(make_key_pair().public)
    (clients / "pipe.key").mkdir()
    (clients / "link.key").symlink_to("nowhere")
    text = keys("list")[1]
    for name, why in (
        ("carl.key", "has 6 characters"),
        ("dora.pub", "does not end with .key"),
        ("pipe.key", "is no file"),
        ("link.key", "leads nowhere"),
    ):
        assert f"lets nobody in: {clients / name}: " in text
        assert why in text
    assert keys("revoke", "--name", "carl")[0] == 0
    assert not (clients / "carl.key").exists()


def test_a_mistyped_folder_is_refused(keys, tmp_path):
    for action in ("list", "revoke"):
        code = main(["keys", action, "--keys", str(tmp_path / "kyes"), "--name", "anna"])
        assert code == 2
    assert not (tmp_path / "kyes").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes say nothing there")
def test_h16_a_careless_umask_opens_no_keys_to_others(tmp_path, capsys):
    keys = tmp_path / "made" / "on the way" / "keys"
    before = os.umask(0)
    try:
        assert main(["keys", "server", "--keys", str(keys)]) == 0
        assert (
            main(["keys", "authorise", "--keys", str(keys), "--name", "a", f"--public_key={ANNA}"])
            == 0
        )
        (keys / "clients" / "by hand.key").write_text(BEN)
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "made").rglob("*")}
    assert modes.pop("by hand.key") == 0o666
    assert modes == {
        "on the way": 0o700,
        "keys": 0o700,
        "clients": 0o700,
        "server.secret": 0o600,
        "server.key": 0o644,
        "a.key": 0o644,
    }
    assert main(["keys", "list", "--keys", str(keys)]) == 0
    told = capsys.readouterr().out
    assert f"everybody on this computer may write to {keys / 'clients' / 'by hand.key'}" in told
