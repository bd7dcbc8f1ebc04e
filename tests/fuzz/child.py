"""One process of the fuzzer, or the replay of inputs: python -m tests.fuzz.child TARGET ...

TARGET --replay FILE ...     each input once
TARGET LIBFUZZER_OPTION ...  until the time is over or something is found (needs atheris)
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

__all__ = ["main"]

_MEASURED = ["ex4d", "protocol", "zipfile", "numpy.lib._format_impl"]  # by whose branches it steers


def main() -> None:
    name, *options = sys.argv[1:]
    logging.disable()
    if options[0] == "--replay":
        run, _ = importlib.import_module("tests.fuzz.targets").TARGETS[name]
        for path in options[1:]:
            print(path, flush=True)  # the last one that is printed is the one that crashed
            run(Path(path).read_bytes())
        return
    import atheris

    with atheris.instrument_imports(include=_MEASURED):
        run, longest = importlib.import_module("tests.fuzz.targets").TARGETS[name]
    atheris.Setup([sys.argv[0], f"-max_len={longest}", *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
