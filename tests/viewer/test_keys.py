"""The table of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from support.fake_model import SWIN_BLOCKS, make_card

from dptscope_view.keys import KEYS, find, help_text, key_name
from dptscope_view.state import View

from .conftest import Bench


@pytest.mark.parametrize("view", list(View))
def test_no_key_means_two_things_in_one_view(view: View) -> None:
    keys = Counter(key for row in KEYS if row.view in (None, view) for key in row.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_row_has_a_letter_or_sign() -> None:
    for row in KEYS:
        assert len(row.keys[0]) == 1, row


def test_codes_of_the_back_ends() -> None:
    expected = {
        ord("n"): "n", ord("N"): "N", 27: "Esc", 9: "Tab", 0xFF51: "Left", 0x250000: "Left", 0x10FF53: "Right",
        0xFFBE: "F1", 8: "Back", 0xFF8D: "Enter", 0x100000 + ord("k"): "k", -1: None, 0xFFE1: None, ord("]"): "]",
    }  # fmt: skip
    assert {code: key_name(code) for code in expected} == expected


def test_no_key_needs_a_capital() -> None:
    """OpenCV's Qt window hands out small letters only."""
    assert [key for row in KEYS for key in row.keys if len(key) == 1 and key != key.lower()] == []


def test_every_row_is_in_the_help() -> None:
    text = help_text()
    for row in KEYS:
        assert row.help in text
        assert find(row.keys[0], row.view or View.NORMS) is row


@pytest.mark.parametrize(
    ("key", "state", "why"),
    [
        ("*", {}, "no view --registers FILE was given"),
        ("g", {}, "this encoder has no class token"),
        ("k", {"view": View.FUSION}, "this model does not see the sky"),
        ("+", {}, "there is no larger size"),
        ("-", {}, "there is no smaller size"),
    ],
)
def test_a_key_that_can_do_nothing_here_says_why(
    bench: Callable[..., Bench], key: str, state: dict[str, Any], why: str
) -> None:
    made = bench(card=make_card(SWIN_BLOCKS, dynamic=False, native=256), **state)
    before = made.viewer.state
    made.press(key)
    assert made.viewer.state == before and made.viewer._news.notice.text.startswith(why)
