"""The precisions of a final's matrix products, as the panel offers them; see SPEC.md."""

from __future__ import annotations

__all__ = ["PRECISIONS"]

_UNPROVEN = "Nobody has proven it with the released weights yet; needs a card that multiplies fp8"
PRECISIONS = (
    ("bf16", "Exact", "What the model was trained with"),
    ("fp8-ffn", "fp8 Feed-Forward", f"Coarser, in 0.87 of the time. {_UNPROVEN}"),
    ("fp8", "fp8 Feed-Forward + Self Attention", f"Coarser still, in 0.77 of it. {_UNPROVEN}"),
    ("fp8-all", "fp8 All", f"Coarsest, in 0.73 of the time. {_UNPROVEN}"),
)
