"""What the user has chosen: one frozen record."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dptscope.card import ModelCard
from dptscope.pictures.colours import DEPTH_COLOURS, NORM_COLOURS
from dptscope.pictures.scaling import Scaling
from dptscope.registers import AddedRegisters
from dptscope.scales import UNSCALED, FusionScales
from dptscope_view.anchor import Anchor

SCALE_LOW, SCALE_HIGH, SCALE_STEP = -5.0, 5.0, 0.01
WHOLE = (0.0, 0.0, 1.0, 1.0)

Crop = tuple[float, float, float, float]
"""Left, top, right, bottom as shares 0 … 1 of the photo's width and height."""


class View(enum.Enum):
    """The two views."""

    NORMS = "norms"
    FUSION = "fusion"


class Show(enum.Enum):
    """What the norm view shows."""

    PHOTO = "photo"
    NORM = "norm"
    CHANNEL = "channel"
    SIMILARITY = "similarity"
    COMPONENTS = "components"
    ATTENTION = "attention"


_SCALINGS = {
    Show.SIMILARITY: (Scaling.PLAIN, Scaling.SHARED),
    Show.ATTENTION: (Scaling.LOG, Scaling.PLAIN, Scaling.SHARED),
}


def scalings_of(show: Show) -> tuple[Scaling, ...]:
    """Those that mean something there: similarities have no outliers, nor many magnitudes, and what stands out of attention
    would be taken for tokens of outstanding norm."""
    return _SCALINGS.get(show, tuple(Scaling))


def effective_scaling(show: Show, chosen: Scaling) -> Scaling:
    """What was chosen, or in its place the first that means something there."""
    offered = scalings_of(show)
    return chosen if chosen in offered else offered[0]


class Compare(enum.Enum):
    """How the fusion view sets the scaled depth against the unmodified model's."""

    NONE = "depth alone"
    DIVIDER = "original | scaled"
    DIFFERENCE = "difference"


@dataclass(frozen=True)
class Facts:
    """What does not change while the program runs.

    Attributes:
        model: its name, for the header.
        card: what the model's file says about itself.
        photos: names of the photos.
        sizes: image sizes to choose from, in pixels, ascending; one entry where the model takes only one.
        native: index in ``sizes`` of the model's own size.
        added: the registers that can be let in, if any can.
    """

    model: str
    card: ModelCard
    photos: tuple[str, ...]
    sizes: tuple[int, ...]
    native: int
    added: AddedRegisters | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each block."""
        return tuple(block.channels for block in self.card.blocks)

    @classmethod
    def of(cls, model: str, card: ModelCard, photos: tuple[str, ...]) -> Facts:
        """Sizes run from a quarter of the native size to twice it."""
        native = max(card.native_size)
        if not card.dynamic:
            return cls(model, card, photos, (native,), 0)
        multiple = card.size_multiple
        # Photos are resized to the preparation's multiple, which may be coarser than the graph's.
        step = max(multiple, card.preparation.multiple)
        nearest = max(step, native // step * step)
        sizes = tuple(range(max(step, native // 4 // step * step), 2 * nearest + 1, step))
        return cls(model, card, photos, sizes, sizes.index(nearest))


@dataclass(frozen=True)
class State:
    """Everything the user can change.

    Attributes:
        view: which of the two.
        photo: index of the photo.
        crop: the part of the photo that the model sees.
        size: index of the image size in ``Facts.sizes``.
        square: ignore the photo's aspect.
        block: index of the chosen transformer block.
        show: what the norm view shows of each block.
        anchor: the token that others are compared with, where one is kept; else the one under the mouse.
        attended: attention is shown of those that attend to the token, and not of those that it attends to.
        head: the attention head that is shown large; None: the mean over all.
        blend: how much of the photo shines through the map, 0 … 1.
        channel: position 0 … 1 among the channels; relative, because SwinV2's stages have different counts.
        scaling: how norms fill the colour map.
        norm_colours: colour map of the norm view.
        depth_colours: colour map of the fusion view.
        reverse: turn the colour maps round.
        equalise: high contrast in the fusion view.
        scales: of the fusion blocks 1 … 4.
        scales_on: off: the unmodified model, to compare.
        chosen: the slider that keys move, 1 … 4.
        typed: the number that is being typed for it, or None.
        compare: scaled and unmodified depth in one picture.
        divider: place of the line between them, 0 … 1 from the left.
        keep_range: colours keep the range of the unmodified depth.
        far_sky: the sky is put at one far distance.
        registers: added registers are let in.
        help: the table of keys is shown.
        files: the list of photos is shown.
        cropping: the next drag over the photo sets the crop.
    """

    view: View = View.NORMS
    photo: int = 0
    crop: Crop = WHOLE
    size: int = 0
    square: bool = False
    block: int = 0
    show: Show = Show.NORM
    anchor: Anchor | None = None
    attended: bool = False
    head: int | None = None
    blend: float = 0.0
    channel: float = 0.0
    scaling: Scaling = Scaling.ROBUST
    norm_colours: str = NORM_COLOURS
    depth_colours: str = DEPTH_COLOURS
    reverse: bool = False
    equalise: bool = False
    scales: FusionScales = UNSCALED
    scales_on: bool = True
    chosen: int = 1
    typed: str | None = None
    compare: Compare = Compare.NONE
    divider: float = 0.5
    keep_range: bool = False
    far_sky: bool = False
    registers: bool = False
    help: bool = False
    files: bool = False
    cropping: bool = False

    @property
    def colours(self) -> str:
        """Colour map of the view that is shown."""
        return self.norm_colours if self.view is View.NORMS else self.depth_colours

    @property
    def effective_scales(self) -> FusionScales:
        """The scales that the picture shows."""
        return self.scales if self.scales_on else UNSCALED
