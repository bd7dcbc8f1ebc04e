"""The command on tiny weights and a small example."""

from __future__ import annotations

import pytest

from ex4d.cli.main import main
from tests.ex4d.engines.wan import tiny
from tests.ex4d.torch_threads import one_thread  # noqa: F401  (a fixture)

from .small import write_example


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder of the tiny models; nobody changes anything but the prompts in it."""
    return tiny.write_models(tmp_path_factory.mktemp("verified") / "models")


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("public") / "example")


@pytest.fixture
def verify(models, example, tmp_path, capsys):
    """A function that runs the command: its exit code, its facts, and what it wrote on stderr."""

    def run(*flags, models=models, example=example):
        code = main(
            [
                "verify",
                f"--models={models}",
                f"--example={example}",
                f"--output_dir={tmp_path / 'report'}",
                *flags,
            ]
        )
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
