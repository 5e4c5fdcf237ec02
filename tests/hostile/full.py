"""The full run: everything made by hand and thousands of seeded mutations, with its figures.

In the folder of the project: ``PYTHONPATH=.:tests python -m hostile.full [--mutations 700] [--seed 1] [KIND …]``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from importlib import import_module

from hostile.children import Children
from hostile.run_cases import run_all

KINDS = ("photos", "models", "checkpoints")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all by default")
    parser.add_argument("--mutations", type=int, default=700, help="of each kind, beside the files made by hand")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total, wrong = 0, 0
    for kind in options.kinds or KINDS:
        files = import_module(f"hostile.{kind}")
        ended: Counter[str] = Counter()
        started = time.monotonic()
        with Children(with_torch=kind == "checkpoints") as children:
            for cases in (files.by_hand(), files.mutated(options.mutations, options.seed)):
                for line in run_all(cases, children, ended):
                    print(line, flush=True)  # noqa: T201
        total, wrong = total + sum(ended.values()), wrong + ended["wrong"]
        figures = ", ".join(f"{ended[how]} {how}" for how in ("worked", "refused", "wrong"))
        print(f"{kind}: {sum(ended.values())} cases, {figures}; {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
    print(f"{total} cases, {wrong} wrong")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
