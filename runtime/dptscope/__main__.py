"""The ``dptscope`` command, and ``python -m dptscope``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dptscope.process.signals import exit_on_signals, wait_if_ending


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 on success, 2 with one line on standard error for what the user can put right, and
    128 + signal after one."""
    exit_on_signals()
    from dptscope.commands.app import run  # not before signals are handled: importing takes a while

    try:
        status = run(sys.argv[1:] if arguments is None else arguments)
    finally:
        wait_if_ending()
    sys.exit(status)


if __name__ == "__main__":
    main()
