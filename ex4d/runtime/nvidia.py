"""What NVIDIA's own tool tells of the GPUs, without loading torch."""

from __future__ import annotations

import shutil
import subprocess

__all__ = ["ask_nvidia"]

_TIMEOUT_S = 20  # a driver that is in trouble may never answer


def ask_nvidia(*fields: str) -> list[str]:
    """The fields of each GPU, as nvidia-smi calls them, in one line each; nothing where there is
    no such tool, or it fails or hangs, as after an update of the driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        run = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in run.stdout.splitlines() if line.strip()]
