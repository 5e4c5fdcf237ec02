"""Presets: four fusion scales in a small JSON file.

They lie in ``$XDG_CONFIG_HOME/dptscope/presets`` (``~/.config/…`` where that is not set, ``%APPDATA%`` on Windows), or in
the folder that ``--presets`` names::

    {"dptscope_preset": 1, "fusion_scales": [1.0, 0.5, 1.0, 1.0]}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from dptscope.errors import DptscopeError
from dptscope.files.atomic import write_new
from dptscope.files.encode import encode_json
from dptscope.scales import UNSCALED, FusionScales
from dptscope_view.state import SCALE_HIGH, SCALE_LOW

VERSION = 1
LARGEST_FILE = 1 << 16  # bytes; one of ours has less than a hundred


def default_folder() -> Path | None:
    """Find where presets lie unless the user says otherwise; None for a user without a home, as in many containers."""
    configuration = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    try:
        folder = Path(configuration) if configuration else Path.home() / ".config"
    except RuntimeError:
        return None
    return folder / "dptscope" / "presets"


def write_preset(folder: Path, scales: FusionScales) -> Path:
    """Write a new preset, ``preset_001.json`` or the next number that is free."""
    content = encode_json({"dptscope_preset": VERSION, "fusion_scales": list(scales)})
    return write_new(folder, "preset", {".json": content})[0]


def read_preset(path: Path) -> FusionScales:
    """Read a preset.

    Raises:
        DptscopeError: no such file, or no preset.
    """
    if not path.is_file():  # a pipe or a device would be waited for, or read for ever
        raise DptscopeError(f"{path}: expected a preset, got no such file")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DptscopeError(f"{path}: expected a preset, got {path.stat().st_size} bytes")
        content = json.loads(path.read_bytes())
        version, scales = content["dptscope_preset"], [_number(scale) for scale in content["fusion_scales"]]
        one, two, three, four = scales
    except OSError as error:
        raise DptscopeError(f"{path}: cannot read the preset ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DptscopeError(f"{path}: expected a preset with four fusion_scales, got something else") from error
    if version != VERSION:
        raise DptscopeError(f"{path}: expected a preset of version {VERSION}, got {version}")
    outside = [scale for scale in scales if not SCALE_LOW <= scale <= SCALE_HIGH]
    if outside:
        raise DptscopeError(f"{path}: expected scales from {SCALE_LOW:g} to {SCALE_HIGH:g}, got {outside[0]:g}")
    return one, two, three, four


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return float(value)


class Presets:
    """Those of a folder, one after the other by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: Path | None = None

    def write(self, scales: FusionScales) -> str:
        """Write one more, and say so."""
        if scales == UNSCALED:
            return "all scales are 1: there is nothing to keep"
        return f"preset written: {write_preset(self._folder, scales)}"

    def following(self) -> tuple[FusionScales | None, str]:
        """The preset after the last one that was read, and what to say of it.

        Raises:
            DptscopeError: it is none; the next call goes on to the one after it.
        """
        found = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        if not found:
            return None, f"no presets in {self._folder}; w writes one"
        later = [path for path in found if self._last is not None and path > self._last]
        self._last = later[0] if later else found[0]
        told = f"preset {found.index(self._last) + 1} of {len(found)}: {self._last.name}"
        return read_preset(self._last), told
