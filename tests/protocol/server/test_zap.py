"""Who is let in, and what the log says of it."""

from __future__ import annotations

import logging

import pytest
import zmq
from zmq.utils import z85

from protocol.keys import fingerprint, make_key_pair
from protocol.server import ZapHandler
from protocol.server.zap import ZAP_DOMAIN

ANNA = make_key_pair().public


@pytest.fixture
def ask(request):
    """A function that asks a handler, as libzmq does, about a key; returns code and user."""
    authorised = getattr(request, "param", {ANNA: "anna"})
    with zmq.Context() as context, context.socket(zmq.REQ) as libzmq:
        handler = ZapHandler(context, lambda: authorised)
        libzmq.connect("inproc://zeromq.zap.01")

        def question(key: str = ANNA, domain: bytes = ZAP_DOMAIN, mechanism: bytes = b"CURVE"):
            number = b"7"
            libzmq.send_multipart(
                [b"1.0", number, domain, b"192.0.2.7", b"", mechanism, z85.decode(key)]
            )
            handler.handle()
            version, same, code, _, user, _ = libzmq.recv_multipart()
            assert (version, same) == (b"1.0", number)
            return code, user

        yield question
        handler.close()


def test_c3_who_is_authorised_gets_in_as_his_key(ask, caplog):
    caplog.set_level(logging.INFO)
    assert ask() == (b"200", ANNA.encode())
    [told] = [record.getMessage() for record in caplog.records]
    assert told == f"anna connects from 192.0.2.7, key {fingerprint(ANNA)}"


def test_c3_another_key_domain_or_mechanism_does_not(ask):
    assert ask(make_key_pair().public) == (b"400", b"")
    assert ask(domain=b"") == (b"400", b"")
    assert ask(mechanism=b"NULL") == (b"400", b"")


@pytest.mark.parametrize("ask", [None], indirect=True)
def test_h10_nobody_gets_in_when_the_keys_cannot_be_read(ask, caplog):
    assert ask() == (b"400", b"")
    assert "cannot be read" in caplog.text


def test_h10_a_thousand_unknown_keys_are_a_few_lines_with_a_count(ask, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            ask(make_key_pair().public)
        assert ask()[0] == b"200"
    refused = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert 1 <= len(refused) <= 10
    assert all("refused a connection from 192.0.2.7" in text for text in refused)
    assert "anna connects" in caplog.text  # the flood hides nobody else
