"""Small datasets to be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.training.dataset import DatasetSettings
from ex4d.training.dataset_creation import MasksSummary, make_dataset

if TYPE_CHECKING:
    from ex4d.training.videos import MasksJob

MASKS = {"rendering": 1, "reprojection": 1, "tracking": 1}


def settings_of(**changes: object) -> DatasetSettings:
    given = {"width": 64, "height": 64, "num_frames": 5, "stride": 1, "seed": 0}
    return DatasetSettings(
        **{**given, "masks": MASKS, "tracker": "dis", "estimator": None, **changes}
    )


def run(job: MasksJob, workers: int = 1) -> MasksSummary:
    return make_dataset(job, workers=workers, report=lambda *_: None)
