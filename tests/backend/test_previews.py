"""Preview pictures, from an engine in a worker process to a client."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from backend.cli.watch import follow
from backend.worker.previews import make_strip
from ex4d.errors import OutputError
from protocol.background import BackgroundClient
from protocol.client import Client
from protocol.client.news import JobChanged, Previewed
from protocol.limits import PREVIEW_BYTES
from protocol.messages.jobs import JobState

from .conftest import PATIENCE_S, count_lines

FOR_EVER = 10**6


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_watched_job_sends_at_most_two_pictures_a_second(address, submit, tmp_path):
    drawn = tmp_path / "drawn"
    job_id = submit(["offer", str(drawn), FOR_EVER])
    pictures, steps = [], 0
    deadline_s = time.monotonic() + PATIENCE_S
    with BackgroundClient(address) as background:
        background.watch(job_id)
        while len(pictures) < 4:
            news = background.news.get(timeout=deadline_s - time.monotonic())
            pictures += [news] if isinstance(news, Previewed) else []
            steps = news.event.done if isinstance(news, JobChanged) else steps
        background.cancel(job_id)
        while not (isinstance(news, JobChanged) and news.event.state is JobState.CANCELLED):
            news = background.news.get(timeout=deadline_s - time.monotonic())
    times_s = [float(line) for line in drawn.read_text().splitlines()]
    assert np.diff(times_s).min() >= 0.48  # 0.5 between the decisions; drawing follows them
    assert steps > 20 * len(times_s)  # it was offered far more
    last = pictures[-1]
    assert (last.job_id, last.frames, last.width, last.height) == (job_id, 8, 8 * 48, 64)
    picture = decoded(last.data)
    assert picture.shape == (64, 8 * 48, 3)
    np.testing.assert_allclose(picture, np.broadcast_to((200, 40, 90), picture.shape), atol=4)


def test_a_job_that_nobody_looks_at_draws_nothing(address, submit, tmp_path):
    drawn = tmp_path / "drawn"
    job_id = submit(["offer", str(drawn), 500])
    with Client(address) as client:
        events = list(client.attach(job_id, timeout_s=PATIENCE_S))
        assert client.take_preview(job_id) is None
    assert events[-1].state is JobState.DONE
    assert not drawn.exists()


def test_drawing_ends_when_the_last_one_stops_looking(address, submit, tmp_path):
    drawn = tmp_path / "drawn"
    job_id = submit(["offer", str(drawn), FOR_EVER])
    with BackgroundClient(address) as background:
        background.watch(job_id)
        while not isinstance(background.news.get(timeout=PATIENCE_S), Previewed):
            pass
    with Client(address) as client:  # the engine of this test ends its job when nobody looks
        assert list(client.attach(job_id, timeout_s=PATIENCE_S))[-1].state is JobState.DONE
    assert count_lines(drawn) >= 1


def test_who_comes_again_without_asking_gets_no_more(address, submit, tmp_path):
    job_id = submit(["offer", str(tmp_path / "drawn"), FOR_EVER])
    with Client(address) as client:
        client.subscribe(job_id, previews=True)
        link = client.conversation.current
        deadline_s = time.monotonic() + PATIENCE_S
        while not (preview := client.take_preview(job_id)):
            assert time.monotonic() < deadline_s
            client.conversation.pump(0.05, link)
        assert decoded(preview.data).shape == (preview.height, preview.width, 3)
        assert list(client.attach(job_id, timeout_s=PATIENCE_S))[-1].state is JobState.DONE


def test_watching_writes_the_pictures_beside_those_that_are_there(address, submit, tmp_path):
    job_id = submit(["offer", str(tmp_path / "drawn"), 1500])
    folder = tmp_path / "new" / "previews"
    folder.mkdir(parents=True)
    (folder / f"{job_id}_0001.jpg").write_bytes(b"mine")
    with Client(address) as client:
        assert follow(client, job_id, previews=folder).state is JobState.DONE
    mine, *written = sorted(folder.iterdir())
    assert mine.read_bytes() == b"mine"
    assert written[0].name == f"{job_id}_0002.jpg"
    for path in written:
        np.testing.assert_allclose(decoded(path.read_bytes()).mean((0, 1)), (200, 40, 90), atol=4)


def test_a_folder_that_cannot_be_made_is_said(address, submit, tmp_path):
    job_id = submit(["offer", str(tmp_path / "drawn"), FOR_EVER])
    (tmp_path / "file").touch()
    with Client(address) as client, pytest.raises(OutputError, match="file"):
        follow(client, job_id, previews=tmp_path / "file")


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 6), (13, 64, 64), (300, 90, 160), (5, 900, 9)])
def test_a_strip_fits_a_message_whatever_it_shows(shape):
    pictures = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)  # compresses badly
    strip = make_strip(pictures)
    assert len(strip.data) <= PREVIEW_BYTES
    assert strip.frames == min(8, len(pictures))
    assert strip.width % strip.frames == 0
    assert decoded(strip.data).shape == (strip.height, strip.width, 3)


def test_a_strip_goes_from_the_first_picture_to_the_last():
    pictures = np.broadcast_to(
        np.arange(0, 250, 10, np.uint8)[:, None, None, None], (25, 32, 32, 3)
    )
    strip = decoded(make_strip(pictures).data)
    shown = strip.reshape(32, 8, 32, 3).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(shown, np.linspace(0, 240, 8), atol=6)
