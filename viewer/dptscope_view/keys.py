"""The keys: one table that handles them, prints them in ``--help`` and draws them in the window.

Arrow and function keys differ between window back ends and can get lost after a click, so each only repeats a letter.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dptscope.scales import UNSCALED
from dptscope_view.changes import (
    next_of,
    step_blend,
    step_channel,
    step_colours,
    step_scale,
    step_scaling,
    step_special_token,
    step_stop,
    toggle_attended,
    toggle_far_sky,
    toggle_registers,
    toggle_similarity,
    toggled,
    with_block,
    with_photo,
    with_scale,
    with_size,
)
from dptscope_view.state import WHOLE, Facts, State, View

Change = Callable[[State, Facts], State]


class Command(enum.Enum):
    """What a key can ask for beyond another state."""

    SAVE = "save"
    SAVE_PRESET = "save preset"
    LOAD_PRESET = "load preset"
    NEXT_OUTLIER = "next outlier"
    BESIDE = "keep this photo beside the next"
    ROW_UP = "row up"  # how many tiles a row has, only the layout knows
    ROW_DOWN = "row down"
    QUIT = "quit"


# OpenCV's waitKeyEx answers X11 key symbols under Qt and GTK (0xFF9.: the key pad), and Windows' virtual keys in the upper
# half.
_EXTRAS = {
    "Tab": (9,),
    "Esc": (27,),
    "Enter": (13, 10, 0xFF8D),
    "Back": (8, 0xFF08),
    "Left": (0xFF51, 0x250000, 0xFF96),
    "Up": (0xFF52, 0x260000, 0xFF97),
    "Right": (0xFF53, 0x270000, 0xFF98),
    "Down": (0xFF54, 0x280000, 0xFF99),
    "PgUp": (0xFF55, 0x210000, 0xFF9A),
    "PgDn": (0xFF56, 0x220000, 0xFF9B),
    "Home": (0xFF50, 0x240000, 0xFF95),
    "End": (0xFF57, 0x230000, 0xFF9C),
    "F1": (0xFFBE, 0x700000),
}
_NAME_OF_CODE = {code: name for name, codes in _EXTRAS.items() for code in codes}
_MODIFIERS = 0xFFFF0000  # GTK adds the state of Shift, Num Lock … above the key symbol


def key_name(code: int) -> str | None:
    """The name that the table uses for a code of ``cv2.waitKeyEx``, or None for a key that it does not know."""
    if code < 0:
        return None
    for candidate in (code, code & ~_MODIFIERS):
        if candidate in _NAME_OF_CODE:
            return _NAME_OF_CODE[candidate]
        if 32 < candidate < 127:
            return chr(candidate)
    return None


@dataclass(frozen=True)
class Binding:
    """One row.

    Attributes:
        keys: the keys, a letter or sign first.
        help: what they do.
        action: another state, or a command.
        view: only there; None: in both.
        otherwise: why it changes nothing, where it cannot.
    """

    keys: tuple[str, ...]
    help: str
    action: Change | Command
    view: View | None = None
    otherwise: str = ""


def _scale_chooser(fusion_block: int) -> Change:
    return lambda state, facts: replace(state, chosen=fusion_block)


def _stepper(steps: int) -> Change:
    return lambda state, facts: step_scale(state, steps)


def _channel(step: int) -> Change:
    return lambda state, facts: step_channel(state, facts, step)


def _toggle(name: str) -> Change:
    return lambda state, facts: toggled(state, name)


_N, _F = View.NORMS, View.FUSION

KEYS: tuple[Binding, ...] = (
    Binding(("v", "Tab"), "norms or fusion", lambda s, f: replace(s, view=next_of(s.view))),
    Binding(("n",), "next photo", lambda s, f: with_photo(s, f, s.photo + 1)),
    Binding(("p",), "previous photo", lambda s, f: with_photo(s, f, s.photo - 1)),
    Binding((")", "PgDn"), "10 photos on", lambda s, f: with_photo(s, f, min(s.photo + 10, len(f.photos) - 1))),
    Binding(("(", "PgUp"), "10 photos back", lambda s, f: with_photo(s, f, max(s.photo - 10, 0))),
    Binding(("^", "Home"), "first photo", lambda s, f: with_photo(s, f, 0)),
    Binding(("$", "End"), "last photo", lambda s, f: with_photo(s, f, len(f.photos) - 1)),
    Binding(("l",), "list of photos", _toggle("files")),
    Binding(("+", "="), "larger image size", lambda s, f: with_size(s, f, s.size + 1), None, "there is no larger size"),
    Binding(("-",), "smaller image size", lambda s, f: with_size(s, f, s.size - 1), None, "there is no smaller size"),
    Binding(("0",), "the model's own image size", lambda s, f: with_size(s, f, f.native)),
    Binding(("a",), "keep the aspect, or square", _toggle("square")),
    Binding(("c",), "crop by a drag on the photo", _toggle("cropping")),
    Binding(("x",), "whole photo again", lambda s, f: replace(s, crop=WHOLE, cropping=False)),
    Binding(("m",), "next colour map", lambda s, f: step_colours(s, 1)),
    Binding((";",), "previous colour map", lambda s, f: step_colours(s, -1)),
    Binding(("i",), "reverse the colours", _toggle("reverse")),
    Binding(
        ("*",), "registers on, off (view --registers)", toggle_registers, None, "no view --registers FILE was given"
    ),
    Binding(("s",), "save picture and data", Command.SAVE),
    Binding(("h", "?", "F1"), "this help", _toggle("help")),
    Binding(("q", "Esc"), "quit; Esc goes back step by step first", Command.QUIT),
    Binding(("k", "Right"), "next block", lambda s, f: with_block(s, f, s.block + 1), _N),
    Binding(("j", "Left"), "previous block", lambda s, f: with_block(s, f, s.block - 1), _N),
    Binding(("d", "Down"), "block one row down", Command.ROW_DOWN, _N),
    Binding(("u", "Up"), "block one row up", Command.ROW_UP, _N),
    Binding(("o",), "norm, channel, similarity …", lambda s, f: replace(s, show=next_of(s.show)), _N),
    Binding(("y",), "what is similar to a token, and back", lambda s, f: toggle_similarity(s), _N),
    Binding(("t",), "photo under the map", lambda s, f: step_blend(s), _N),
    Binding(("f",), "next outlier of the block", Command.NEXT_OUTLIER, _N),
    Binding(("g",), "class token, then registers: compared", step_special_token, _N, "this encoder has no class token"),
    Binding(("w",), "attends to, or is attended by", lambda s, f: toggle_attended(s), _N),
    Binding(("r",), "keep this photo beside others", Command.BESIDE, _N),
    Binding(("e",), "scaling: plain, shared, log …", lambda s, f: step_scaling(s), _N),
    Binding(("]",), "next channel", _channel(1), _N),
    Binding(("[",), "previous channel", _channel(-1), _N),
    Binding(("}",), "16 channels on", _channel(16), _N),
    Binding(("{",), "16 channels back", _channel(-16), _N),
    Binding(("1",), "choose slider 1 (finest)", _scale_chooser(1), _F),
    Binding(("2",), "choose slider 2", _scale_chooser(2), _F),
    Binding(("3",), "choose slider 3", _scale_chooser(3), _F),
    Binding(("4",), "choose slider 4 (coarsest)", _scale_chooser(4), _F),
    Binding(("d", "Down"), "next slider", lambda s, f: replace(s, chosen=s.chosen % 4 + 1), _F),
    Binding(("u", "Up"), "previous slider", lambda s, f: replace(s, chosen=(s.chosen - 2) % 4 + 1), _F),
    Binding((".", "Right"), "chosen slider +0.01", _stepper(1), _F),
    Binding((",", "Left"), "chosen slider −0.01", _stepper(-1), _F),
    Binding((">",), "chosen slider +0.25", _stepper(25), _F),
    Binding(("<",), "chosen slider −0.25", _stepper(-25), _F),
    Binding(("f",), "chosen slider off (0), half, one", lambda s, f: step_stop(s), _F),
    Binding(("#", "Enter"), "type the chosen slider's number", lambda s, f: replace(s, typed=""), _F),
    Binding(("z",), "chosen slider back to 1", lambda s, f: with_scale(s, s.chosen, 1.0), _F),
    Binding(("r",), "all sliders back to 1", lambda s, f: replace(s, scales=UNSCALED, scales_on=True), _F),
    Binding(("b",), "original: scales off, to compare", _toggle("scales_on"), _F),
    Binding(("t",), "divider, difference, depth", lambda s, f: replace(s, compare=next_of(s.compare)), _F),
    Binding(("g",), "colours keep the original's range", _toggle("keep_range"), _F),
    Binding(("k",), "sky far, in models that see it", toggle_far_sky, _F, "this model does not see the sky"),
    Binding(("e",), "high contrast", _toggle("equalise"), _F),
    Binding(("w",), "write a preset", Command.SAVE_PRESET, _F),
    Binding(("y",), "load the next preset", Command.LOAD_PRESET, _F),
)

FIRST_STEPS = (
    ("move over a token", "it is marked in every block"),
    ("y", "what is similar to it"),
    ("click it, then n", "the same in the next photo"),
    ("v, then off", "depth without a fusion block"),
)
MOUSE_HELP = (
    ("click a tile or the strip", "choose a block"),
    ("click a token of the map", "keep it, to compare"),
    ("click a photo's name", "show it"),
    ("drag a slider", "move it"),
    ("click a slider's name, number", "choose it, type it"),
    ("right click on a slider", "its default"),
    ("right click on the photo", "no crop"),
)
WHEEL_STEPS = ("wheel", "step what is under it")
WHEEL_MAGNIFIES = ("wheel", "magnify the window, and back")


def find(name: str, view: View) -> Binding | None:
    """The row that a key means in a view."""
    return next((row for row in KEYS if name in row.keys and row.view in (None, view)), None)


def sections() -> Iterator[tuple[str, list[Binding]]]:
    """The table in three parts, with their headings."""
    for heading, view in (("Both views", None), ("Norms", _N), ("Fusion", _F)):
        yield heading, [row for row in KEYS if row.view is view]


def help_text() -> str:
    """The table as plain lines, for ``--help``."""
    lines = ["First steps:", *(f"  {what:<37}{does}" for what, does in FIRST_STEPS), ""]
    for heading, rows in sections():
        lines.append(f"{heading}:")
        lines += [f"  {'  '.join(row.keys):<11}{row.help}" for row in rows]
        lines.append("")
    lines.append("Mouse:")
    lines += [f"  {what:<37}{does}" for what, does in MOUSE_HELP]
    lines.append(f"  {'wheel':<37}{WHEEL_STEPS[1]}; on Linux, {WHEEL_MAGNIFIES[1]}")
    return "\n".join(lines)
