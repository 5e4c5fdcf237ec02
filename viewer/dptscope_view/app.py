"""From the command's options to a window, or to a picture of it in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dptscope.camera import metres_a_unit
from dptscope.card import ModelCard
from dptscope.commands.failures import complain
from dptscope.commands.norms import check_pixel
from dptscope.commands.options import added_registers
from dptscope.errors import DptscopeError, SizeError
from dptscope.files.atomic import write_file
from dptscope.files.encode import encode_png
from dptscope.files.photos import left_out, read_image
from dptscope.model import load
from dptscope.pictures.colours import COLOUR_MAP_NAMES
from dptscope.pictures.scaling import Scaling
from dptscope.process.quiet import native_libraries_silenced
from dptscope.registers import Replacement
from dptscope.scales import FusionScales
from dptscope.sky import check_has_sky
from dptscope_view.anchor import Anchor
from dptscope_view.changes import with_anchor, with_channel, with_colours
from dptscope_view.display import DisplayProbe
from dptscope_view.engine import Engine
from dptscope_view.photos import photos_to_view
from dptscope_view.presets import default_folder, read_preset
from dptscope_view.state import SCALE_HIGH, SCALE_LOW, Facts, Show, State, View
from dptscope_view.ui.theme import SMALLEST_WINDOW
from dptscope_view.viewer import Viewer
from dptscope_view.worker import Worker

LARGEST_WINDOW = 16384
RENDERED = (1280, 800)


@dataclass(frozen=True)
class Options:
    """What the user can say on the command line; None: not said."""

    model: Path
    photos: Path
    view: View = View.NORMS
    block: int | None = None
    show: Show = Show.NORM
    channel: int | None = None
    token: tuple[int, int] | None = None
    scaling: Scaling = Scaling.ROBUST
    scales: FusionScales | None = None
    preset: Path | None = None
    presets: Path | None = None
    colours: str | None = None
    focal: float | None = None
    fov: float | None = None
    far_sky: bool = False
    registers: Path | None = None
    count: int | None = None
    replace: Replacement | None = None
    reverse: bool = False
    equalise: bool = False
    size: int | None = None
    square: bool = False
    window: str | None = None
    output: Path = Path()
    render: Path | None = None
    providers: Sequence[str] | None = None
    threads: int | None = None


def run(options: Options) -> None:
    """Open the window, or draw into a file.

    Raises:
        DptscopeError: anything that the user can put right.
    """
    size = window_size(options.window) if options.window is not None else None
    scales = starting_scales(options)
    photos, first = photos_to_view(options.photos, neighbours=options.render is None)
    for remark in left_out(options.photos, len(photos)):
        complain(f"note: {remark}")
    probe = DisplayProbe() if options.render is None else None
    try:
        # Spinning threads take the processor from the thread that draws: on two busy cores a quarter fewer pictures a second.
        model = load(options.model, options.providers, options.threads, spin=False)
        if probe is not None:
            probe.check()
    finally:
        if probe is not None:
            probe.close()
    card = model.card
    metres_a_unit(card, *card.native_size, options.focal, options.fov)  # what cannot be is said before a window opens
    if options.far_sky:
        check_has_sky(card)
    added = added_registers(card, options.registers, options.count, options.replace)
    if added is not None:
        model.graphs.register_width()
    facts = Facts.of(options.model.name.removesuffix(".onnx"), card, tuple(photo.name for photo in photos))
    facts, state = starting_state(options, facts, scales)
    state = replace(state, photo=first)
    if options.token is not None:
        state = with_anchor(state, token_of(photos[first], first, options.token))
    if added is not None:
        facts, state = replace(facts, added=added), replace(state, registers=True)
    engine = Engine(model, photos, focal=options.focal, fov=options.fov, registers=added)
    presets = options.presets or default_folder() or options.output
    if options.render is not None:
        _render(options.render, Viewer(facts, state, photos, None, options.output, presets), engine, size or RENDERED)
        return
    from dptscope_view.window import show

    worker = Worker(engine)
    try:
        show(Viewer(facts, state, photos, worker, options.output, presets), worker, size)
    finally:
        worker.close()


def _render(path: Path, viewer: Viewer, engine: Engine, size: tuple[int, int]) -> None:
    if path.suffix.lower() != ".png":
        raise DptscopeError(f"--render: expected a name that ends in .png, got {path}")
    viewer.take(engine.complete(viewer.question()))
    write_file(path, encode_png(viewer.draw(*size)))


def token_of(photo: Path, index: int, pixel: tuple[int, int]) -> Anchor:
    """The token that sees a pixel, before any model has made it.

    Raises:
        ImageError: the photo cannot be read, or the pixel lies outside.
    """
    with native_libraries_silenced():
        height, width = read_image(photo).shape[:2]
    check_pixel("--token", pixel, (height, width))
    place = (pixel[1] + 0.5) / width, (pixel[0] + 0.5) / height
    return Anchor(index, place, (), f"a token of {photo.name}", pixel)


def window_size(text: str) -> tuple[int, int]:
    """``1280x800`` as numbers.

    Raises:
        DptscopeError: something else, or too small for the layout.
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise DptscopeError(f"--window: expected a size like 1280x800, got {text[:40]!r}")
    width, height = int(parts[0]), int(parts[1])
    if (width < SMALLEST_WINDOW[0] or height < SMALLEST_WINDOW[1]) or max(width, height) > LARGEST_WINDOW:
        smallest = "x".join(map(str, SMALLEST_WINDOW))
        raise DptscopeError(f"--window: expected {smallest} to {LARGEST_WINDOW}x{LARGEST_WINDOW}, got {text}")
    return width, height


def starting_scales(options: Options) -> FusionScales:
    """From the preset or the option.

    Raises:
        DptscopeError: both, a file that is no preset, or a number outside the sliders.
    """
    if options.preset is not None and options.scales is not None:
        raise DptscopeError("expected --preset or --scales, got both")
    if options.preset is not None:
        return read_preset(options.preset)
    if options.scales is None:
        return (1.0, 1.0, 1.0, 1.0)
    outside = [scale for scale in options.scales if not SCALE_LOW <= scale <= SCALE_HIGH]
    if outside:
        raise DptscopeError(f"--scales: expected numbers from {SCALE_LOW:g} to {SCALE_HIGH:g}, got {outside[0]:g}")
    return options.scales


def starting_state(options: Options, facts: Facts, scales: FusionScales) -> tuple[Facts, State]:
    """The first state; a size that is not among the slider's joins them.

    Raises:
        DptscopeError: a block, channel, colour map or size that is not there.
    """
    blocks = len(facts.channels)
    block = blocks - 1 if options.block is None else options.block
    if not 0 <= block < blocks:
        raise DptscopeError(f"--block: expected 0 to {blocks - 1}, got {block}")
    if options.colours is not None and options.colours not in COLOUR_MAP_NAMES:
        raise DptscopeError(f"--colours: expected one of {', '.join(COLOUR_MAP_NAMES)}, got {options.colours}")
    facts, size = _with_size(facts, options.size)
    state = State(
        view=options.view, size=size, square=options.square, block=block, show=options.show, scaling=options.scaling,
        reverse=options.reverse, equalise=options.equalise, scales=scales, far_sky=options.far_sky,
    )  # fmt: skip
    if options.colours is not None:
        state = with_colours(state, options.colours)
    if options.channel is not None:
        channels = facts.channels[block]
        if not 0 <= options.channel < channels:
            raise DptscopeError(f"--channel: expected 0 to {channels - 1} in block {block}, got {options.channel}")
        state = with_channel(replace(state, show=Show.CHANNEL), facts, options.channel)
    return facts, state


def _with_size(facts: Facts, size: int | None) -> tuple[Facts, int]:
    if size is None:
        return facts, facts.native
    card: ModelCard = facts.card
    if size not in facts.sizes:
        if not card.dynamic:
            raise SizeError(f"--size: this file was exported for {facts.sizes[0]} pixels only, got {size}")
        if size < card.size_multiple or size % card.size_multiple:
            raise SizeError(f"--size: expected a multiple of {card.size_multiple}, got {size}")
        native = facts.sizes[facts.native]
        sizes = tuple(sorted({*facts.sizes, size}))
        facts = replace(facts, sizes=sizes, native=sizes.index(native))
    return facts, facts.sizes.index(size)
