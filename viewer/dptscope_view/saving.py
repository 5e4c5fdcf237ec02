"""What "save" writes: the picture of the window, the data behind it, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dptscope.errors import DptscopeError
from dptscope.files.atomic import write_new
from dptscope.files.encode import encode_json, encode_npy, encode_png
from dptscope.meaning import sixteen_bits_in_words
from dptscope.norms import norms_report
from dptscope.pictures.depth import as_16_bit, depth_16_bit, depth_picture
from dptscope.resize import resize_depth
from dptscope_view.changes import channel_index
from dptscope_view.engine import Engine
from dptscope_view.frame import Frame, Question
from dptscope_view.state import Facts, Show, State, View
from dptscope_view.views.heads import HeadMaps, maps_of
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.parts import PictureCache
from dptscope_view.views.received import ReceivedOverDepth
from dptscope_view.views.whole import picture_of


@dataclass(frozen=True)
class Saving:
    """One press of the key.

    Attributes:
        facts: of the model.
        state: as it was.
        question: what was on the screen, or on its way there.
        size: width and height of the window.
        photo: path of the photo.
        folder: where to write.
        beside: an answer of before that is shown beside it.
    """

    facts: Facts
    state: State
    question: Question
    size: tuple[int, int]
    photo: Path
    folder: Path
    beside: Frame | None = None

    def __call__(self, engine: Engine) -> str:
        """Compute at full size what is missing, write, and say what was written."""
        frame = engine.complete(self.question)
        # Drawn here and not copied from the window, which may still show what was there before.
        picture = {".png": encode_png(picture_of(self.facts, self.state, frame, *self.size, self.beside))}
        files = self._norms(frame) if self.state.view is View.NORMS else self._fusion(frame, engine)
        paths = write_new(self.folder, f"{self.photo.stem}_{self.state.view.value}", picture | files)
        return f"saved {paths[0].name} and {len(paths) - 1} more in {self.folder.resolve()}"

    def _about(self, frame: Frame) -> dict[str, Any]:
        """The report on the norms, and how the picture came about."""
        subject, photo_hw = frame.question.subject, frame.photo_bgr.shape[:2]
        report = norms_report(
            self.facts.card,
            self.facts.model,
            self.photo,
            (photo_hw[0], photo_hw[1]),
            frame.input_size,
            frame.statistics,
            frame.cls_tokens,
            frame.register_tokens,
        )
        added = self.facts.added
        registers = {"registers": added.in_words()} if subject.registers and added is not None else {}
        return report | registers | {"crop": list(subject.crop), "size": subject.size, "square": subject.square}

    def _fusion(self, frame: Frame, engine: Engine) -> dict[str, bytes]:
        depth_hw = engine.photo_depth(self.question)
        kind, state = frame.depth_kind, self.state
        ends = float(depth_hw.min()), float(depth_hw.max())
        limits = frame.original_range if state.keep_range else None
        files = {
            "_depth.png": encode_png(
                depth_picture(depth_hw, kind, None, state.depth_colours, state.reverse, state.equalise, limits)
            ),
            "_depth.npy": encode_npy(depth_hw),
        }
        about = self._about(frame) | {
            "fusion_scales": list(self.question.scales),
            "depth_kind": kind,
            "depth_min": ends[0],
            "depth_max": ends[1],
            "depth16": sixteen_bits_in_words(kind),
            "colours": self.state.depth_colours,
            "reverse": self.state.reverse,
            "high_contrast": self.state.equalise,
            "colour_range": None if self.state.equalise else list(limits or ends),
        }
        try:
            files["_depth16.png"] = encode_png(depth_16_bit(depth_hw, kind), sixteen_bits_in_words(kind))
        except DptscopeError as error:  # farther than 16 bits go; the rest is no worse for it
            about["depth16"] = f"not written: {error}"
        if frame.sky_hw is not None:
            resize = self.facts.card.preparation.output_resize
            files["_sky.npy"] = encode_npy(resize_depth(frame.sky_hw, (depth_hw.shape[0], depth_hw.shape[1]), resize))
            about["far_sky"] = self.question.far_sky
        return files | {".json": encode_json(about)}

    def _norms(self, frame: Frame) -> dict[str, bytes]:
        state, block = self.state, self.state.block
        maps = maps_of(state, frame, None, PictureCache())
        scale, values_hw = maps.scale(maps.chosen), maps.values(maps.chosen)
        about = self._about(frame) | {
            "block": block,
            "shown": self._shown(maps),
            "channel": channel_index(state.channel, self.facts.channels[block]) if maps.show is Show.CHANNEL else None,
            "min": float(values_hw.min()),
            "max": float(values_hw.max()),
            "map16": "0 is the minimum, 65535 the maximum",
            "scaling": {"how": maps.scaling.value, "low": scale.low, "high": scale.high},
            "colours": state.norm_colours,
            "reverse": state.reverse,
        }
        if isinstance(maps, HeadMaps) and frame.received:
            special = maps.anchor is not None and maps.anchor.special is not None
            about["received"] = ReceivedOverDepth.of(frame.received).to_json(None if special else maps.place)
        files = {
            f"_block_{block:02d}_16.png": encode_png(as_16_bit(values_hw)),
            f"_block_{block:02d}.npy": encode_npy(values_hw),
            ".json": encode_json(about),
        }
        if maps.show is Show.COMPONENTS and frame.components is not None:
            files[f"_block_{block:02d}_components.npy"] = encode_npy(frame.components[block].scores_hwk)
        if isinstance(maps, HeadMaps):
            for way in ("row", "column"):
                files[f"_block_{block:02d}_attention_{way}.npy"] = encode_npy(getattr(maps.attention, way))
        if frame.tokens is not None:
            files[f"_block_{block:02d}_tokens.npy"] = encode_npy(np.ascontiguousarray(frame.tokens[block]))
        return files

    def _shown(self, maps: BlockMaps) -> str:
        if maps.show is Show.CHANNEL:
            return f"channel {channel_index(self.state.channel, self.facts.channels[self.state.block])}"
        if isinstance(maps, HeadMaps):
            name = maps.anchor.name if maps.anchor is not None else "the token in the middle"
            head = "mean over heads" if maps.chosen == maps.count else f"head {maps.chosen}"
            return f"attention to {name}, {head}" if self.state.attended else f"attention of {name}, {head}"
        if maps.show is Show.SIMILARITY:
            name = maps.anchor.name if maps.anchor is not None else "the token in the middle"
            return f"cosine similarity to {name}"
        return "L2 norms of the tokens"
