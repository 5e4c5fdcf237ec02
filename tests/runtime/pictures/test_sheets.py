"""Sheets of maps: what stands on them stays on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dptscope.attention.maps import Attention
from dptscope.pictures import block_sheets
from dptscope.pictures.attention_sheets import attention_sheet, outlier_sheet
from dptscope.pictures.text import BOLD, text_width, wrapped

TITLE = "astronaut   depth-anything-v2-metric-outdoor vits   block 11   "


def words_of(drawn: list[tuple[str, int, int]]) -> str:
    return " ".join(text for text, _, size in drawn if size == block_sheets.TITLE)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Each text that is written, where it ends, and the size of its type."""
    found: list[tuple[str, int, int]] = []
    put_text = block_sheets.put_text

    def put(image: Any, text: str, x: int, baseline: int, size: int, colour: Any, *weight: int) -> None:
        found.append((text, x + text_width(text, size, *weight), size))
        assert found[-1][1] <= image.shape[1], text
        assert baseline < image.shape[0]
        put_text(image, text, x, baseline, size, colour, *weight)

    monkeypatch.setattr(block_sheets, "put_text", put)
    return found


def test_one_outlier_has_a_narrow_sheet(drawn: list[tuple[str, int, int]]) -> None:
    what = f"{TITLE}who attends to each outlier, blocks 0 to 11"
    one = outlier_sheet([np.ones((20, 30), np.float32)], [(3, 4, 120.0)], [54.25], what)
    assert "54.2" in [text for text, _, _ in drawn]
    assert words_of(drawn).split() == what.split()
    more = outlier_sheet([np.ones((20, 30), np.float32)] * 24, [(3, 4, 120.0)] * 24, [1.0] * 24, what)
    assert len(more) < 4 * len(one), "one line where one is enough"


def test_tokens_beside_the_grid_do_not_reach_into_the_next_map(drawn: list[tuple[str, int, int]]) -> None:
    """Three heads, and a model with a register, or with several."""
    maps = np.full((3, 20, 30), 0.00123, np.float32)
    for tokens in (2, 5):
        special = np.full((3, tokens), 0.00045, np.float32)
        attention_sheet(Attention(maps, maps, special, special), (3, 4), TITLE)
    assert "who attends to it" in words_of(drawn)
    step = block_sheets.TILE_WIDTH + block_sheets.GAP
    starts = [index * step for index in range(8)]
    texts = [(text, end) for text, end, size in drawn if size == block_sheets.TEXT]
    assert ("class 0.00045   register 0.00045") in dict(texts)
    for text, end in texts:
        start = end - text_width(text, block_sheets.TEXT)
        assert max(at for at in starts if at <= start) + step >= end, text


@pytest.mark.parametrize(("width", "count"), [(60, 8), (400, 3), (2000, 1)])
def test_lines_are_as_long_as_they_may_be(width: int, count: int) -> None:
    text = f"{TITLE}who attends to it"
    lines = wrapped(text, width, 20, BOLD)
    assert " ".join(lines).split() == text.split() and len(lines) == count
    for line in lines:
        assert text_width(line, 20, BOLD) <= width or " " not in line
