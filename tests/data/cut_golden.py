"""Cuts the small part that is committed out of a golden file of the public code's conditions.

python tests/data/cut_golden.py conditions_a.npz tests/data/golden_conditions.npz
"""

import sys

import numpy as np

FRAMES = [0, 1, 12, 24, 36, 48]
CAMERAS = ["30", "60", "90", "180"]


def main(source: str, target: str) -> None:
    golden = np.load(source)
    arrays = {"frames": np.array(FRAMES), "intrinsics": golden["intrinsics"]}
    for name in ("rgb", "depth"):
        arrays[name] = golden[name][FRAMES]
    for camera in CAMERAS:
        arrays[f"extrinsics_{camera}"] = golden[f"extrinsics_{camera}"]  # all of them: small
        arrays[f"color_{camera}"] = golden[f"color_{camera}"][FRAMES]
        arrays[f"mask_{camera}"] = golden[f"mask_{camera}"][FRAMES]
    np.savez_compressed(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
