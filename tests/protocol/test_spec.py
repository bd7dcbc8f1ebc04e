"""SPEC.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import protocol
from protocol import limits

from .spec_tables import (
    ALL_STRUCTS,
    errors_table,
    failures_table,
    heading_of,
    limits_table,
    moves_table,
    table_of,
)

SPEC = (Path(protocol.__file__).parent / "SPEC.md").read_text(encoding="utf-8")


def section_of(heading: str) -> str:
    assert SPEC.count(f"\n{heading}\n") == 1, heading
    return SPEC.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]


@pytest.mark.parametrize("struct", ALL_STRUCTS, ids=lambda s: s.__name__)
def test_every_field_stands_in_the_spec_with_type_limits_and_default(struct):
    assert table_of(struct) in section_of(heading_of(struct))


def test_the_spec_has_no_message_that_the_code_lacks():
    named = set(re.findall(r"^### `(\w+)`$", SPEC, re.M))
    assert named == {heading_of(struct)[5:-1] for struct in ALL_STRUCTS}


def test_job_states_and_moves_are_those_of_the_code():
    assert moves_table() in SPEC


def test_error_codes_are_those_of_the_code():
    assert errors_table() in SPEC


def test_failures_of_jobs_are_those_of_the_code():
    assert failures_table() in SPEC


def test_limits_are_those_of_the_code():
    assert limits_table() in SPEC


def test_the_version_is_that_of_the_code():
    assert SPEC.startswith(f"# The EX-4D protocol, version {limits.MAJOR}.{limits.MINOR}\n")
