"""The sliders for the scales of the fusion blocks and for the image size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dptscope_view.changes import with_scale, with_size
from dptscope_view.state import SCALE_HIGH, SCALE_LOW, SCALE_STEP, State
from dptscope_view.ui.choice import Choice
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.slider import Slider
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Part, ViewInput, choice_part, slider_part

_ENDS = {1: "finest", 4: "coarsest"}
_STOPS = {"off": 0.0, "½": 0.5, "1": 1.0}


def scale_sliders(shown: ViewInput, rows: Sequence[Rect]) -> list[Part]:
    """The scales of fusion blocks 1 … 4, and the image size below them in line with them."""
    widest = _stops(1.0).width(shown.measures)
    places = [row.cut_right(widest, shown.measures.gap) for row in rows]
    parts = [size_slider(shown, places[4][1])]
    for fusion_block, (right, left) in enumerate(places[:4], 1):
        parts += [_scale_slider(shown, fusion_block, left), _scale_stops(shown, fusion_block, right)]
    return parts


def _stops(value: float) -> Choice:
    return Choice(tuple(_STOPS), list(_STOPS.values()).index(value) if value in _STOPS.values() else -1)


def _scale_stops(shown: ViewInput, fusion_block: int, rect: Rect) -> Part:
    """Off, half and one: what is tried first, and hard to hit with a slider."""
    state = shown.state
    stops = list(_STOPS.values())
    return choice_part(
        f"stops-{fusion_block}",
        rect.inset(0, max(1, shown.measures.line)),
        _stops(state.scales[fusion_block - 1]),
        shown,
        lambda index: with_scale(state, fusion_block, stops[index]),
        [f"{what} (f)" for what in ("without this block", "half of it", "as the model has it")],
    )


def _scale_slider(shown: ViewInput, fusion_block: int, rect: Rect) -> Part:
    """A press on its name chooses it, one on its number begins to type another."""
    state = shown.state
    value, chosen = state.scales[fusion_block - 1], state.chosen == fusion_block
    end = _ENDS.get(fusion_block)
    slider = Slider(
        caption=f"Fusion {fusion_block}" + (f" · {end}" if end and not shown.measures.compact else ""),
        low=SCALE_LOW,
        high=SCALE_HIGH,
        step=SCALE_STEP,
        value=value,
        default=1.0,
        shown=f"{value:.2f}".replace("-", "−"),
        chosen=chosen,
        wheel=5,
        faint=not state.scales_on,
        snaps=(0.0, 1.0),
        typed=state.typed if chosen else None,
    )

    def choose(to_type: bool) -> State:
        return replace(state, chosen=fusion_block, typed="" if to_type else None)

    hint = "click the number to type it, right click for 1, . and , for small steps"
    return slider_part(
        f"scale-{fusion_block}", rect, slider, shown, lambda v: with_scale(state, fusion_block, v), choose, hint
    )


def size_slider(shown: ViewInput, rect: Rect) -> Part:
    """The size at which the model sees the photo."""
    state, facts = shown.state, shown.facts
    slider = Slider(
        caption="Image size",
        low=0,
        high=max(len(facts.sizes) - 1, 1),
        step=1,
        value=state.size,
        default=facts.native,
        shown=f"{facts.sizes[state.size]} px",
        active=len(facts.sizes) > 1,
    )
    hint = f"at which size the model sees the photo (+ and -); right click for its own, {facts.sizes[facts.native]}"
    return slider_part("size", rect, slider, shown, lambda v: with_size(state, facts, round(v)), hint=hint)


def size_slider_width(measures: Measures) -> int:
    """Pixels that it needs among buttons."""
    return round(measures.font * (26 if measures.compact else 30))
