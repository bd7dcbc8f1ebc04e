"""The tables of SPEC.md, made from the code. Run as a module, prints them."""

from __future__ import annotations

import types
import typing

import msgspec

from backend.worker.failures import FAILURES
from protocol import limits, messages
from protocol.errors import ERRORS
from protocol.messages import jobs
from protocol.messages.jobs import MOVES, JobState

PARTS = [
    *(messages.Limits, messages.EngineInfo, messages.EstimatorInfo),
    *(messages.WorkerInfo, messages.Held),
]
JOBS = [
    *(jobs.BlobId, jobs.TrajectoryArrays, jobs.DepthReading, jobs.DepthFiles, jobs.DepthEstimate),
    *(jobs.DepthCleaning, jobs.Lens, jobs.Pictures, jobs.Source, jobs.Reconstruct, jobs.Conditions),
    *(jobs.EngineSettings, jobs.Generate, jobs.Shot, jobs.JobInfo),
]


def type_text(hint: object) -> tuple[str, str]:
    """A type and its limits, in words."""
    if typing.get_origin(hint) is typing.Annotated:
        base, *metas = typing.get_args(hint)
        text, inner = type_text(base)
        limits_text = [f"{k} {v!r}" for meta in metas for k, v in meta_items(meta)]
        if typing.get_origin(base) in (list, dict):
            limits_text = [f"entries: {', '.join(limits_text)}"]
            return text, "; ".join([t for t in [inner, *limits_text] if t])
        return text, ", ".join([t for t in [inner, *limits_text] if t])
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return "str", f"one of {', '.join(repr(arg) for arg in args)}"
    if origin is list:
        text, inner = type_text(args[0])
        return f"list of {text}", f"each: {inner}" if inner else ""
    if origin is dict:
        (key, key_limits), (value, value_limits) = (type_text(arg) for arg in args)
        return f"map of {key} to {value}", f"keys: {key_limits}; values: {value_limits}"
    if origin in (types.UnionType, typing.Union):
        parts = [type_text(arg) for arg in args]
        names = ["nil" if text == "NoneType" else text for text, _ in parts]
        return " or ".join(names), ", ".join(inner for _, inner in parts if inner)
    return getattr(hint, "__name__", str(hint)), ""


def meta_items(meta: msgspec.Meta):
    names = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
    return [(name, v) for name in names if (v := getattr(meta, name)) is not None]


def rows(struct: type[msgspec.Struct]) -> list[str]:
    hints = typing.get_type_hints(struct, include_extras=True)
    lines = ["| field | type | limits | default |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        text, limit = type_text(hints[field.name])
        lines.append(f"| `{field.name}` | {text} | {limit} | {default(field)} |")
    return lines if len(lines) > 2 else []


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "empty"
    if field.default is msgspec.NODEFAULT:
        return "required"
    return "nil" if field.default is None else f"`{field.default!r}`"


def table_of(struct: type[msgspec.Struct]) -> str:
    return "\n".join(rows(struct))


def heading_of(struct: type[msgspec.Struct]) -> str:
    tag = struct.__struct_config__.tag
    return f"### `{tag or struct.__name__}`"


def moves_table() -> str:
    lines = ["| from | to |", "|---|---|"]
    for state in JobState:
        targets = ", ".join(sorted(target.value for target in MOVES[state]))
        lines.append(f"| `{state.value}` | {targets or '(final)'} |")
    return "\n".join(lines)


def errors_table() -> str:
    lines = ["| code | means |", "|---|---|"]
    for code, error in ERRORS.items():
        lines.append(f"| `{code}` | {(error.__doc__ or '').strip().splitlines()[0]} |")
    return "\n".join(lines)


def failures_table() -> str:
    lines = ["| code | means |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{code}` | {text} |" for code, text in FAILURES.items())])


def limits_table() -> str:
    lines = ["| name | value |", "|---|---|"]
    lines += [f"| `{name}` | {getattr(limits, name)} |" for name in limits.__all__]
    return "\n".join(lines)


ALL_STRUCTS = [*dict.fromkeys([*messages.CONTROL_MESSAGES, *messages.DATA_MESSAGES]), *PARTS, *JOBS]
