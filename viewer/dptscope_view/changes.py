"""The changes that keys and widgets make to the state: a state in, another out."""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Any, TypeVar

from dptscope.pictures.colours import COLOUR_MAP_NAMES
from dptscope.pictures.scaling import Scaling
from dptscope_view.anchor import CLASS_TOKEN, Anchor, register_anchor
from dptscope_view.state import (
    SCALE_HIGH,
    SCALE_LOW,
    SCALE_STEP,
    WHOLE,
    Compare,
    Facts,
    Show,
    State,
    View,
    effective_scaling,
    scalings_of,
)

BLENDS = (0.0, 0.35, 0.7)


def step_blend(state: State) -> State:
    """More of the photo under the map, then none."""
    return replace(state, blend=next((share for share in BLENDS if share > state.blend), BLENDS[0]))


def with_anchor(state: State, anchor: Anchor | None) -> State:
    """Keep a token that others are compared with, or let it go."""
    return replace(state, anchor=anchor)


def toggle_similarity(state: State) -> State:
    """Similarities, and back to the norms."""
    return replace(state, show=Show.NORM if state.show is Show.SIMILARITY else Show.SIMILARITY)


def toggle_attended(state: State) -> State:
    """Attention; once that is shown, of those that attend to the token and not of those that it attends to, and back."""
    return replace(state, show=Show.ATTENTION) if state.show is not Show.ATTENTION else toggled(state, "attended")


def step_special_token(state: State, facts: Facts) -> State:
    """Similarity to the class token, or its attention; then to each register, and back to the token under the mouse."""
    if not facts.card.has_cls:
        return state
    if state.show not in (Show.SIMILARITY, Show.ATTENTION):
        return replace(state, show=Show.SIMILARITY, anchor=CLASS_TOKEN)
    added = facts.added.number if facts.added is not None and state.registers else 0
    anchors = [CLASS_TOKEN, *(register_anchor(number) for number in range(facts.card.registers + added))]
    following = anchors.index(state.anchor) + 1 if state.anchor in anchors else 0
    return replace(state, anchor=anchors[following] if following < len(anchors) else None)


def toggle_far_sky(state: State, facts: Facts) -> State:
    """The sky at one far distance, or as the network has it."""
    return toggled(state, "far_sky") if facts.card.has_sky else state


def toggle_registers(state: State, facts: Facts) -> State:
    """Let added registers in, or the model as it is."""
    return toggled(state, "registers") if facts.added is not None else state


def toggled(state: State, name: str) -> State:
    """A field that is on or off, turned round."""
    changed: dict[str, Any] = {name: not getattr(state, name)}
    return replace(state, **changed)


def with_colours(state: State, name: str) -> State:
    """Another colour map in the view that is shown."""
    return replace(state, norm_colours=name) if state.view is View.NORMS else replace(state, depth_colours=name)


def step_colours(state: State, step: int) -> State:
    """The next colour map, round and round."""
    index = COLOUR_MAP_NAMES.index(state.colours)
    return with_colours(state, COLOUR_MAP_NAMES[(index + step) % len(COLOUR_MAP_NAMES)])


def with_photo(state: State, facts: Facts, index: int) -> State:
    """Another photo, the same part of it; before the first comes the last."""
    return replace(state, photo=index % len(facts.photos), cropping=False)


def with_size(state: State, facts: Facts, index: int) -> State:
    """Another image size."""
    return replace(state, size=max(0, min(index, len(facts.sizes) - 1)))


def with_block(state: State, facts: Facts, index: int) -> State:
    """Another block; the ends hold."""
    return replace(state, block=max(0, min(index, len(facts.channels) - 1)))


def channel_index(position: float, channels: int) -> int:
    """The channel at a relative position."""
    return max(0, min(int(position * channels), channels - 1))


def with_channel(state: State, facts: Facts, index: int) -> State:
    """A channel of the chosen block, kept as its relative position."""
    channels = facts.channels[state.block]
    return replace(state, channel=(max(0, min(index, channels - 1)) + 0.5) / channels)


def step_scaling(state: State) -> State:
    """The next scaling of those that mean something for what is shown."""
    offered = [scaling for scaling in Scaling if scaling in scalings_of(state.show)]
    index = offered.index(effective_scaling(state.show, state.scaling))
    return replace(state, scaling=offered[(index + 1) % len(offered)])


def step_channel(state: State, facts: Facts, step: int) -> State:
    """Some channels on; where none is shown yet, the one that was chosen last."""
    index = channel_index(state.channel, facts.channels[state.block])
    step = step if state.show is Show.CHANNEL else 0
    return with_channel(replace(state, show=Show.CHANNEL), facts, index + step)


def with_scale(state: State, fusion_block: int, value: float) -> State:
    """Another scale of fusion block 1 … 4, on the slider's grid. Moving one while the scales are off turns them on."""
    steps = round(max(SCALE_LOW, min(SCALE_HIGH, value)) / SCALE_STEP)
    a, b, c, d = (steps / round(1 / SCALE_STEP) if k == fusion_block else s for k, s in enumerate(state.scales, 1))
    return replace(state, scales=(a, b, c, d), chosen=fusion_block, scales_on=True)


def step_scale(state: State, steps: int) -> State:
    """The chosen scale some hundredths on."""
    return with_scale(state, state.chosen, state.scales[state.chosen - 1] + steps * SCALE_STEP)


def step_stop(state: State) -> State:
    """The chosen scale to off (0), half, and one again."""
    following = {0.0: 0.5, 0.5: 1.0}
    return with_scale(state, state.chosen, following.get(state.scales[state.chosen - 1], 0.0))


def with_closed(state: State) -> State:
    """Without the uppermost of what is open."""
    opened = next((name for name in ("help", "cropping", "files") if getattr(state, name)), None)
    return state if opened is None else toggled(state, opened)


def with_left(state: State) -> State:
    """One step back towards what everybody begins with: the kept token, what is shown of it, a comparison, then the crop."""
    if state.view is View.NORMS:
        if state.anchor is not None:
            return with_anchor(state, None)
        if state.show is not Show.NORM:
            return replace(state, show=Show.NORM)
    elif state.compare is not Compare.NONE or not state.scales_on:
        return replace(state, compare=Compare.NONE, scales_on=True)
    return replace(state, crop=WHOLE)


_Choice = TypeVar("_Choice", bound=enum.Enum)


def next_of(choice: _Choice) -> _Choice:
    """The next member, round and round."""
    members = list(type(choice))
    return members[(members.index(choice) + 1) % len(members)]
