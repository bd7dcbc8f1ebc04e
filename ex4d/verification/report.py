"""The report: one HTML file with its pictures in it, which can be sent back."""

from __future__ import annotations

import datetime
import json
from html import escape
from typing import TYPE_CHECKING

from ex4d.files.contact_sheet import write_png
from ex4d.verification.html import image, page, section, table
from ex4d.verification.pictures import draw_nearness, draw_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.verification.findings import Findings

__all__ = ["REPORT", "SHEET", "verdicts", "write_report"]

REPORT, SHEET = "report.html", "sheet.png"
_METRICS = {
    "psnr/all": "PSNR, dB",
    "psnr/seen": "where seen",
    "psnr/unseen": "where not",
    "ssim/all": "SSIM",
    "ssim/seen": "where seen",
    "ssim/unseen": "where not",
}
_NO_MARK = (
    "There is no pass mark for this part. The public code shrinks its masks by random amounts that "
    "it does not seed, so two of its own runs differ, and both clips went through a lossy video. "
    "The conditions as they are, compared with the same clip, show what nearness is worth where "
    "the source is seen. Look at the pictures."
)


def write_report(folder: Path, findings: Findings) -> None:
    """Write the report, and the sheet of its clips also as a picture of its own."""
    parts = [
        _summary(findings),
        section("Files", _files(findings)),
        section("Golden model", _golden(findings)),
        section("Public example", _example(findings)),
    ]
    example = findings.example
    if example is not None and findings.results:
        sheet = draw_sheet(findings, example)
        write_png(folder / SHEET, sheet)
        parts.append(section("Side by side", image(sheet, "all clips at six moments")))
        curves = draw_nearness(findings)
        if curves is not None:
            title = f"{findings.results[0].mode.name} against the published clip"
            parts.append(section(title, image(curves, "PSNR, SSIM and flicker over the frames")))
    parts.append(section("Machine", table(("what", "is"), findings.machine.items())))
    plain = escape(json.dumps(findings.plain(), indent=1))
    summary = "<summary>All figures, for programs</summary>"
    parts.append(f'<details>{summary}<pre id="figures">{plain}</pre></details>\n')
    (folder / REPORT).write_text(page("EX-4D: verification", parts), encoding="utf-8")


def verdicts(findings: Findings) -> list[tuple[str, str]]:
    """What was found, a sentence each, with `ok`, `no`, or `look` where somebody has to, before."""
    lines = [
        ("no", f"{check.model}: {check.problem.reason}")
        for check in findings.files
        if check.problem is not None
    ]
    if not lines:
        lines.append(("ok", "every tensor of every file is accounted for"))
    for golden in findings.golden:
        word = "agrees with" if golden.is_right else "differs from"
        text = f"the golden model on {golden.where} {word} the public code"
        latents = f"(latents by {golden.errors.latents:.2g})"
        lines.append(("ok" if golden.is_right else "no", f"{text} {latents}"))
    for result in findings.results:
        if result.problem is not None:
            word = "no" if result is findings.results[0] else "look"
            lines.append((word, f"the mode {result.mode.name}: {result.problem.reason}"))
    for comparison in findings.comparisons:
        psnr, ssim = (_number(comparison.mean(f"{m}/all")) for m in ("psnr", "ssim"))
        text = f"{comparison.what} against {comparison.to}: PSNR {psnr} dB, SSIM {ssim}"
        lines.append(("look", text))
    return lines


def _summary(findings: Findings) -> str:
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    items = (f'<li class="{word}">{escape(text)}</li>\n' for word, text in verdicts(findings))
    return f"<p>{today}</p>\n<ul>\n{''.join(items)}</ul>\n"


def _files(findings: Findings) -> str:
    rows = [
        (
            check.model,
            check.files[0] + (f" and {len(check.files) - 1} more" if check.files[1:] else ""),
            f"{check.size_bytes / 1e9:.2f} GB",
            ", ".join(check.ids),
            check.found if check.problem is None else f"NO: {check.problem.reason}",
            f"{check.seconds:.1f} s",
        )
        for check in findings.files
    ]
    return table(("model", "file", "size", "id", "found", "took"), rows)


def _golden(findings: Findings) -> str:
    rows = [
        (
            check.where,
            name.replace("_", " "),
            f"{error:.2e}",
            "-" if limit is None else f"{limit:.0e}",
            "ok" if limit is None or error <= limit else "NO",
        )
        for check in findings.golden
        for name, error, limit in check.rows
    ]
    names = escape(", ".join(sorted({check.file for check in findings.golden})))
    said = f"<p>{names}: all steps of a small model, against what the public classes computed.</p>"
    return said + table(("device", "tensor", "error", "allowed", ""), rows)


def _example(findings: Findings) -> str:
    if not findings.results:
        return "<p>Not run: the files are not right.</p>"
    nearness = [
        (c.what, c.to, *(_number(c.mean(name)) for name in _METRICS)) for c in findings.comparisons
    ]
    stages = list(dict.fromkeys(s for result in findings.results for s in result.stages_s))
    times = [
        (
            result.mode.name,
            result.mode.label if result.problem is None else f"NO: {result.problem.reason}",
            *(f"{result.stages_s[s]:.1f}" if s in result.stages_s else "-" for s in stages),
            "-" if result.peak_gib is None else f"{result.peak_gib:.1f}",
        )
        for result in findings.results
    ]
    heads = ("mode", "is", *(f"{stage.replace('_', '-')}, s" for stage in stages), "GPU peak, GiB")
    near = table(("clip", "against", *_METRICS.values()), nearness)
    return f"<p>{_NO_MARK}</p>\n{near}\n{table(heads, times)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
