"""What went wrong, in one line each; and items that fail while the others go on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from dptscope.errors import DptscopeError
from dptscope.process.limits import is_for_memory
from dptscope.process.signals import is_ending

LONGEST_COMPLAINT = 800  # characters


def explain(error: Exception) -> str | None:
    """Say in words for the user what an error is about; None where the program itself is at fault."""
    if isinstance(error, typer.TyperException):
        return _of_an_option(error)
    if isinstance(error, DptscopeError):
        return str(error)
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
    return "not enough memory" if is_for_memory(error) else None


def _of_an_option(error: typer.TyperException) -> str:
    """typer's words; pydantic, which reads the values for it, does not say what it got."""
    said = error.format_message().replace("Value error, ", "")
    refusals = getattr(error.__cause__, "errors", None)
    if refusals is None:
        return said
    return re.sub(
        r"Input should be ([^,]+).*", lambda found: f"expected {found[1]}, got {refusals()[0]['input']!r}", said
    )


def complain(text: str) -> None:
    """Say what is wrong in one line of no more than is read: names and values in it may come out of a file."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if len(line) > LONGEST_COMPLAINT:
        line = f"{line[:LONGEST_COMPLAINT]} …"
    if not is_ending():  # else this comes of it
        print(f"dptscope: {line}", file=sys.stderr)  # noqa: T201


class IncompleteError(DptscopeError):
    """A part of what was asked for of one item could not be made; the rest is there."""


class Failures:
    """Keeps account of items, such as photos or checkpoints, of which some may fail. One that is alone fails as it is.

    Args:
        items: how many there are.
    """

    def __init__(self, items: int) -> None:
        self._items = items
        self._reasons: list[str] = []
        self._incomplete = 0

    @contextmanager
    def noted(self, name: object) -> Iterator[None]:
        """Note what goes wrong with one item, and go on; an error of the program itself goes its way."""
        try:
            yield
        except Exception as error:
            reason = explain(error)
            if reason is None or self._items == 1:
                raise
            self._incomplete += isinstance(error, IncompleteError)
            self._reasons.append(reason if str(name) in reason else f"{name}: {reason}")

    def report(self, what: str) -> None:
        """List what failed, a line each.

        Raises:
            DptscopeError: something did; ``2 of 5 photos were left out``.
        """
        for reason in self._reasons:
            complain(reason)
        counts = {
            what: len(self._reasons) - self._incomplete,
            "lack a file that was asked for": self._incomplete,
        }
        if self._reasons:
            raise DptscopeError(", ".join(f"{n} of {self._items} {text}" for text, n in counts.items() if n))
