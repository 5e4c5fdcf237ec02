"""A number that is typed for the chosen slider, key by key."""

from __future__ import annotations

from dataclasses import replace

from dptscope_view.changes import with_scale
from dptscope_view.state import State

LONGEST = 6
_LETTERS = {**{digit: digit for digit in "0123456789.-"}, ",": "."}


def with_typed(state: State, key: str) -> State:
    """The state after another key: a letter of a number, Back, Enter, or Esc, which leaves the slider as it was."""
    text = state.typed or ""
    if key == "Esc":
        return replace(state, typed=None)
    if key == "Back":
        return replace(state, typed=text[:-1])
    if key == "Enter":
        return _entered(state, text)
    return replace(state, typed=(text + _LETTERS.get(key, ""))[:LONGEST])


def _entered(state: State, text: str) -> State:
    """Set the slider; what is no number stays, to be put right."""
    if not text:
        return replace(state, typed=None)
    try:
        value = float(text)
    except ValueError:
        return state
    return replace(with_scale(state, state.chosen, value), typed=None)
