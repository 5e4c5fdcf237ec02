"""Whether the packages of an extra, such as ``dptscope[export]``, are installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

from dptscope.errors import DptscopeError

DISTRIBUTION = "dptscope"


def need_extra(command: str, extra: str) -> None:
    """Check that a subcommand's packages are there.

    Raises:
        DptscopeError: with those that are not, and what installs them.
    """
    missing = missing_packages(extra)
    if missing:
        names = ", ".join(missing)
        raise DptscopeError(
            f"{command} needs what is not installed here ({names}): pip install '{DISTRIBUTION}[{extra}]'"
        )


def missing_packages(extra: str) -> list[str]:
    """Names of the packages of an extra that are not installed."""
    return [
        name for name in extra_packages(distribution(DISTRIBUTION).requires or [], extra) if not _is_installed(name)
    ]


def extra_packages(requirements: list[str], extra: str) -> list[str]:
    """Names of the packages that an extra adds, from lines such as ``onnx>=1.19; extra == 'export'``."""
    wanted = (line.partition(";") for line in requirements)
    return [
        re.split(r"[^\w.-]", need.strip(), maxsplit=1)[0]
        for need, _, marker in wanted
        if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", marker)
    ]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
