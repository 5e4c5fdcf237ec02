"""What the norm view says in words: of a token, of a block, of what its controls choose."""

from __future__ import annotations

from dptscope.pictures.scaling import Scaling
from dptscope_view.anchor import Place, cell_at
from dptscope_view.changes import channel_index
from dptscope_view.state import Show, State
from dptscope_view.views.charts import number
from dptscope_view.views.heads import HeadMaps
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.parts import ViewInput

SHOW_HINTS = {
    Show.PHOTO: "the photo, as the model sees it",
    Show.NORM: "how long each token is",
    Show.CHANNEL: "one number of each token; the slider chooses which",
    Show.SIMILARITY: "how alike each token is to the one under the mouse",
    Show.ATTENTION: "what the token under the mouse attends to, head by head; w: who attends to it",
    Show.COMPONENTS: "the three principal components of a block's tokens as red, green and blue; outliers left out",
}
SCALING_HINTS = {
    Scaling.PLAIN: "colours from a block's least value to its greatest",
    Scaling.SHARED: "the same colours for the same values in all blocks",
    Scaling.LOG: "colours by the logarithm",
    Scaling.ROBUST: "colours from the 1st to the 99th percentile of what is no outlier; outliers in a colour of their own",
}


def token_in_words(shown: ViewInput, maps: BlockMaps, place: Place) -> str:
    """The token at a place: where it is, the value that is shown, its norm in the chosen block and that one's rank."""
    state = shown.state
    norms_hw = maps.frame.norms[state.block]
    cell = cell_at(place, norms_hw.shape)
    norm = norms_hw[cell]
    rank = int((norms_hw > norm).sum()) + 1
    parts = [f"row {cell[0]}, column {cell[1]}", f"norm {number(float(norm))}", f"rank {rank} of {norms_hw.size}"]
    values_hw = maps.values(maps.chosen)
    # Attention is of the block before until that of this one is there, and in another stage that one's grid is another.
    value = number(float(values_hw[cell_at(place, values_hw.shape)]))
    if maps.show is Show.CHANNEL:
        parts.insert(1, f"channel {channel_index(state.channel, shown.facts.channels[state.block])} {value}")
    elif maps.show is Show.SIMILARITY:
        to_what = f" to {maps.anchor.name}" if maps.anchor is not None else ""
        parts.insert(1, f"similarity {value}{to_what}")
    elif isinstance(maps, HeadMaps):
        of_what = f" {'to' if state.attended else 'of'} {maps.anchor.name}" if maps.anchor is not None else ""
        parts.insert(1, f"attention {value}{of_what}")
    return " · ".join(parts)


def token_hint(state: State, click_keeps: bool) -> str:
    """What can be done with the token under the mouse; nothing more once it has been done."""
    if state.show is Show.NORM:
        return "y: what is similar"
    compared = state.show in (Show.SIMILARITY, Show.ATTENTION)
    return "click: keep it" if compared and click_keeps and state.anchor is None else ""


def overview(shown: ViewInput, maps: BlockMaps) -> str:
    """What there is to see while the mouse is over no token."""
    state = shown.state
    if maps.show is Show.SIMILARITY:
        what = maps.anchor.name if maps.anchor is not None else "the token in the middle"
        return f"cosine similarity to {what}; move over a token, click to keep it, g for the class token"
    if state.show is Show.ATTENTION:
        return (
            maps.frame.no_attention
            or "move over a token for its attention, click to keep it, f for the outliers; a tile is a head"
        )
    before, added = maps.frame.before, shown.facts.added
    if before is not None and added is not None:
        counts = (len(found[maps.chosen].outliers) for found in (before, maps.frame.statistics))
        return f"{added.in_words()}: outliers in this block {' → '.join(map(str, counts))}; * for the model as it is"
    if state.scaling is not Scaling.ROBUST or maps.show is Show.COMPONENTS:
        return ""
    marked = maps.outliers(maps.chosen)
    told = (
        f"{marked} of {maps.values(maps.chosen).size} tokens marked as outliers"
        if marked
        else "no outliers in this block"
    )
    return f"{told} · over a token, y shows what is similar to it" if maps.show is Show.NORM else told
