"""The ``dptscope`` command, and ``python -m dptscope``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dptscope.process.signals import signals_handled


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits 0 on success, 2 with one line on standard error for what the user can put right, and 128 + signal after one."""
    with signals_handled():
        from dptscope.commands.app import run  # not before signals are handled: importing takes a while

        sys.exit(run(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    main()
