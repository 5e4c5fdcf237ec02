"""The fusion view's depth: alone, beside the unmodified model's across a line that is dragged, or as a difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.meaning import grows_with_distance
from dptscope.pictures.depth import depth_picture
from dptscope.pictures.difference import difference_picture
from dptscope.pictures.text import BOLD
from dptscope.resize import resized_value
from dptscope_view.frame import Frame
from dptscope_view.state import Compare
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.charts import ColourBar, number
from dptscope_view.views.parts import Answer, Picture, ViewInput


@dataclass(frozen=True)
class DepthPane:
    """What is shown of a frame's depth."""

    shown: ViewInput
    frame: Frame

    @property
    def limits(self) -> tuple[float, float] | None:
        """Depths at the ends of the colours, where they are not the picture's own."""
        state = self.shown.state
        return self.frame.original_range if state.keep_range and not state.equalise else None

    def nearer_hw(self) -> Float32Array:
        """By how much each point is nearer than in the unmodified model."""
        difference_hw = self.frame.depth_hw - self.frame.original_hw
        return -difference_hw if grows_with_distance(self.frame.depth_kind) else difference_hw

    def draw_caption(self, canvas: Canvas, rect: Rect) -> None:
        """What it is, and what its colours mean."""
        m, state, kind = canvas.measures, self.shown.state, self.frame.depth_kind
        unit = " m" if kind == "metric" else ""
        used = canvas.text(rect, self._caption(), weight=BOLD)
        _, rest = rect.cut_left(used, m.gap)
        room, _ = rest.cut_right(min(rest.width, m.font * 20))
        if state.compare is Compare.DIFFERENCE:
            low, high = float(self.nearer_hw().min()), float(self.nearer_hw().max())
            farther, nearer = (f"by up to {number(max(most, 0))}{unit}" for most in (-low, high))
            text = f"blue: farther, {farther}   orange: nearer, {nearer}"
            canvas.text(rest, text, size=m.small, colour=theme.MUTED, align="right")
            return
        if state.compare is Compare.DIVIDER and self.limits is None:
            more = "" if state.equalise else ", g: by one"
            canvas.text(rest, f"each by its own range{more}", size=m.small, colour=theme.MUTED, align="right")
            return
        low, high = self.limits or (float(self.frame.depth_hw.min()), float(self.frame.depth_hw.max()))
        # The bar runs from far to near like the colours, so numbers that grow with distance fall.
        far, near = (high, low) if grows_with_distance(kind) else (low, high)
        ends = f"far {number(far)}{unit}", f"{number(near)}{unit} near"
        ColourBar(*ends, state.depth_colours, state.reverse).draw(canvas, room)

    def _caption(self) -> str:
        state, registers = self.shown.state, self.frame.question.subject.registers
        if state.compare is not Compare.NONE:
            compared: str = state.compare.value
            return (compared.replace("scaled", "with registers") if registers else compared).capitalize()
        if registers:
            return "Depth with registers" if state.scales_on else "With registers, scales off"
        return "Depth" if state.scales_on else "Original depth"

    def draw(self, canvas: Canvas, rect: Rect) -> None:
        """The picture."""
        state = self.shown.state
        if state.compare is Compare.DIFFERENCE:
            canvas.picture(rect, self._difference(rect))
        elif state.compare is Compare.DIVIDER:
            line = self._line(rect)
            picture = self._depth(rect, "depth", self.frame.depth_hw).copy()
            picture[:, : line - rect.x] = self._depth(rect, "original", self.frame.original_hw)[:, : line - rect.x]
            canvas.picture(rect, picture)
            thick = max(2, canvas.measures.line * 2)
            canvas.fill(Rect(max(line - thick // 2, rect.x), rect.y, thick, rect.height), theme.TEXT)
        else:
            canvas.picture(rect, self._depth(rect, "depth", self.frame.depth_hw))

    def _line(self, rect: Rect) -> int:
        return rect.x + round(self.shown.state.divider * rect.width)

    def _depth(self, rect: Rect, what: str, depth_hw: Float32Array) -> Picture:
        state, size_hw = self.shown.state, (rect.height, rect.width)
        key = (what, self.frame.number, state.depth_colours, state.reverse, state.equalise, state.keep_range, size_hw)
        return self.shown.pictures.get(
            key,
            lambda: depth_picture(
                depth_hw, self.frame.depth_kind, size_hw, state.depth_colours, state.reverse, state.equalise,
                self.limits,
            ),
        )  # fmt: skip

    def _difference(self, rect: Rect) -> Picture:
        size_hw = (rect.height, rect.width)

        def make() -> Picture:
            nearer_hw = self.nearer_hw()
            return difference_picture(nearer_hw, max(float(np.abs(nearer_hw).max()), 1e-12), size_hw)

        return self.shown.pictures.get(("difference", self.frame.number, size_hw), make)

    def respond(self, event: Mouse, rect: Rect, held: bool) -> Answer:
        """Drag the line."""
        state = self.shown.state
        if state.compare is not Compare.DIVIDER or not (
            event.kind is Pointer.PRESS or (event.kind is Pointer.MOVE and held)
        ):
            return None
        return replace(state, divider=max(0.0, min((event.x - rect.x) / max(rect.width, 1), 1.0)))

    def readout(self, row: int, column: int) -> str:
        """The value at a pixel of the photo, as it is saved; beside the unmodified model's where both are compared."""
        unit = " m" if self.frame.depth_kind == "metric" else ""
        told = f"depth {number(self._value(self.frame.depth_hw, row, column))}{unit}"
        if self.shown.state.compare is not Compare.NONE:
            told += f", original {number(self._value(self.frame.original_hw, row, column))}{unit}"
        if self.frame.sky_hw is not None:
            told += f" · sky {number(self._value(self.frame.sky_hw, row, column))}"
        return told

    def _value(self, depth_hw: Float32Array, row: int, column: int) -> float:
        height, width = self.frame.photo_bgr.shape[:2]
        return resized_value(depth_hw, (height, width), self.shown.facts.card.preparation.output_resize, row, column)
