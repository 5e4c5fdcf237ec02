"""The full run: everything made by hand and thousands of seeded mutations, with its figures.

At the root of the checkout: ``python -m fuzz.full [--mutations 700] [--seed 1] [KIND …]``.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from itertools import chain

from fuzz.run_cases import Tally, run_all

KINDS = ("photos", "models", "checkpoints", "settings")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all by default")
    parser.add_argument("--mutations", type=int, default=700, help="of each kind, beside the files made by hand")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cases, wrong = 0, 0
    for kind in options.kinds or KINDS:
        files = import_module(f"fuzz.{kind}")
        tally, started = Tally(), time.monotonic()
        by_hand = chain.from_iterable(make() for make in files.GROUPS.values())
        made = chain(by_hand, files.mutated(options.mutations, options.seed))
        for line in tally.add(run_all(made, files.good())):
            print(line, flush=True)
        for line in tally.table():
            print(line, flush=True)
        print(f"{kind}: {time.monotonic() - started:.0f} s\n", flush=True)
        cases, wrong = cases + tally.total().total(), wrong + tally.total()["wrong"]
    print(f"{cases} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
