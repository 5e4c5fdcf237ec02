"""What both views do with the photo: show it, read the mouse over it, crop it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dptscope.opencv import cv2
from dptscope_view.frame import Frame
from dptscope_view.state import WHOLE, Crop
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.parts import Answer, Hover, Picture, ViewInput

_SMALLEST_CROP = 0.02


def photo_aspect(frame: Frame) -> float:
    """Width / height of the photo; maps and depth are shown in its shape, whatever the model saw."""
    height, width = frame.photo_bgr.shape[:2]
    return float(width / height)


def photo_buttons(shown: ViewInput) -> list[Button]:
    """What both views' toolbars have: which part of which photo the model sees, in which shape, and with which registers."""
    state = shown.state
    buttons = [Button("Registers", "*", state.registers)] if shown.facts.added is not None else []
    buttons += [Button("Square", "a", state.square), Button("Crop", "c", state.cropping)]
    if state.crop != WHOLE:
        buttons.append(Button("Whole photo", "x"))
    if len(shown.facts.photos) > 1:
        buttons.append(Button("Photos", "l", state.files))
    return buttons


def photo_picture(shown: ViewInput, frame: Frame, rect: Rect) -> Picture:
    """The photo at a place's size."""
    subject = frame.question.subject
    key = ("photo", subject.photo, subject.crop, rect.width, rect.height)
    return shown.pictures.get(key, lambda: resized(frame.photo_bgr, rect.width, rect.height))


def resized(image: Picture, width: int, height: int) -> Picture:
    """uint8 ``[height, width, 3]``, averaged where it shrinks."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=np.uint8)


def relative_position(pointer: Hover, place: Rect) -> tuple[float, float] | None:
    """The mouse's place over a picture, 0 … 1 from the left and from above."""
    if pointer is None or not place.contains(*pointer):
        return None
    return (pointer[0] - place.x) / place.width, (pointer[1] - place.y) / place.height


def drag_rect(shown: ViewInput, place: Rect) -> Rect | None:
    """The rectangle that a drag for a crop spans, inside the picture."""
    if not shown.state.cropping or shown.drag is None or shown.pointer is None:
        return None
    x0, x1 = sorted(max(place.x, min(x, place.right)) for x in (shown.drag[0], shown.pointer[0]))
    y0, y1 = sorted(max(place.y, min(y, place.bottom)) for y in (shown.drag[1], shown.pointer[1]))
    return Rect(x0, y0, x1 - x0, y1 - y0)


def draw_drag(canvas: Canvas, shown: ViewInput, place: Rect) -> None:
    """Show what a drag would leave."""
    spanned = drag_rect(shown, place)
    if spanned is None or not spanned.width or not spanned.height:
        return
    inside = canvas.pixels[spanned.y : spanned.bottom, spanned.x : spanned.right].copy()
    canvas.dim(place, 0.55)
    canvas.picture(spanned, inside)
    canvas.frame(spanned, theme.ACCENT)


def respond_to_crop(shown: ViewInput, event: Mouse, place: Rect) -> Answer:
    """A drag while cropping sets the crop; a right click undoes it."""
    state = shown.state
    if event.kind is Pointer.MENU:
        return replace(state, crop=WHOLE, cropping=False)
    if event.kind is not Pointer.RELEASE or not state.cropping:
        return None
    spanned = drag_rect(shown, place)
    if (
        spanned is None
        or spanned.width < _SMALLEST_CROP * place.width
        or spanned.height < _SMALLEST_CROP * place.height
    ):
        return None
    return replace(state, crop=_inside(state.crop, spanned, place), cropping=False)


def _inside(old: Crop, spanned: Rect, place: Rect) -> Crop:
    """A part of what was shown, as a part of the whole photo."""
    wide, tall = old[2] - old[0], old[3] - old[1]
    return (
        old[0] + wide * (spanned.x - place.x) / place.width,
        old[1] + tall * (spanned.y - place.y) / place.height,
        old[0] + wide * (spanned.right - place.x) / place.width,
        old[1] + tall * (spanned.bottom - place.y) / place.height,
    )
