"""Which neurons make outliers (Jiang et al. 2025, arXiv 2506.08010, section 3): those whose activations are largest at tokens
of outstanding norm, over many photos. Two runs a photo: the first shows where such tokens are, the second looks into the MLPs
at these places.

What an outlier is, is dptscope's own rule, :data:`dptscope.norms.RULE`; the paper's is a norm above 150, for one ViT-L. The
class token is not among them. As in the paper's code for that ViT-L, the block is the last but one, and neurons of the last
quarter of the blocks (18 to 23) are left out: those answer to outliers rather than make them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.contract import MLP_AT_PROBES, block_tokens_name
from dptscope.errors import DptscopeError
from dptscope.model import DepthModel
from dptscope.norms import RULE, token_norms
from dptscope.prepare import prepare_image
from dptscope.registers import RegisterNeuron, RegisterNeurons
from dptscope.tokens import outliers

PAPERS_NORM = 150.0
MOST_OUTLIERS = 64
"""Of a photo that are looked into, the longest; as many of the other patches, evenly spread."""


class RegisterSearch:
    """Looks at photos one after the other, and ranks the neurons in the end.

    Args:
        model: a file that was exported with ``--registers``.
        block: whose outliers are looked at; the last but one if None.
        last_block: neurons of later blocks are left out; at three quarters of the depth if None.

    Raises:
        ModelFileError: the file does not take registers.
        DptscopeError: no such block.
    """

    def __init__(self, model: DepthModel, block: int | None = None, last_block: int | None = None) -> None:
        blocks = len(model.card.blocks)
        self.model = model
        self.block = max(blocks - 2, 0) if block is None else block
        self.last_block = min(self.block, max(-(-3 * blocks // 4) - 1, 0)) if last_block is None else last_block
        for what, index in (("block", self.block), ("last block", self.last_block)):
            if not 0 <= index < blocks:
                raise DptscopeError(f"expected a {what} from 0 to {blocks - 1}, got {index}")
        shape = (blocks, model.graphs.register_width())
        self._at_outliers_km: NDArray[np.float64] = np.zeros(shape)
        self._elsewhere_km: NDArray[np.float64] = np.zeros(shape)
        self._photos = self._with_outliers = self._outliers = self._above = 0

    def look_at(self, photo_bgr: UInt8Array, *, size: int | None = None, square: bool = False) -> int:
        """Look at a photo, uint8 ``[height, width, 3]``, blue first; the rest as in :meth:`dptscope.DepthModel.predict`.

        Returns:
            how many outliers it has.
        """
        input_bchw = prepare_image(self.model.card, photo_bgr, size, square)
        name = block_tokens_name(self.block)
        norms_hw = token_norms(self.model.run(input_bchw, [name])[name][0])
        stands_out_n = outliers(norms_hw).reshape(-1)
        norms_n = norms_hw.reshape(-1)
        found = np.flatnonzero(stands_out_n)
        if len(found):
            longest = found[np.argsort(-norms_n[found])][:MOST_OUTLIERS]
            others = _evenly(np.flatnonzero(~stands_out_n), MOST_OUTLIERS)
            activations_kpm = self._activations(input_bchw, np.concatenate([longest, others]))
            self._at_outliers_km += np.abs(activations_kpm[:, : len(longest)]).mean(axis=1)
            self._elsewhere_km += activations_kpm[:, len(longest) :].mean(axis=1)
            self._with_outliers += 1
        self._photos += 1
        self._outliers += len(found)
        self._above += int((norms_hw > PAPERS_NORM).sum())
        return len(found)

    def _activations(self, input_bchw: Float32Array, places: NDArray[np.intp]) -> Float32Array:
        """``[blocks, probes, neurons]``."""
        found = self.model.graphs.whole(input_bchw, [MLP_AT_PROBES], probes=places.astype(np.int64))
        at_probes: Float32Array = found[MLP_AT_PROBES][0]
        return at_probes

    def found(self, count: int = 50) -> RegisterNeurons:
        """Rank the neurons.

        Args:
            count: how many are kept, the most active ones.

        Raises:
            DptscopeError: no photo had an outlier.
        """
        if not self._with_outliers:
            raise DptscopeError(
                f"expected outliers in block {self.block} of one photo at least, got none in {self._photos}: nothing for "
                "registers to take over; look at another block (--block) or at more photos"
            )
        at_outliers_km = self._at_outliers_km[: self.last_block + 1] / self._with_outliers
        elsewhere_km = self._elsewhere_km / self._with_outliers
        order = np.argsort(-at_outliers_km, axis=None, kind="stable")[:count]
        neurons = tuple(
            RegisterNeuron(int(k), int(m), float(at_outliers_km[k, m]), float(elsewhere_km[k, m]))
            for k, m in zip(*np.unravel_index(order, at_outliers_km.shape), strict=True)
        )
        facts: dict[str, Any] = {
            "photos": self._photos,
            "photos_with_outliers": self._with_outliers,
            "outliers": self._outliers,
            "above_150": self._above,
        }
        card, name = self.model.card, self.model.path.name
        return RegisterNeurons(
            model_id=card.model_id,
            model=name,
            rule=RULE,
            block=self.block,
            last_block=self.last_block,
            neurons=neurons,
            **facts,
        )


def _evenly(places: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Some of the places, evenly spread."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(np.intp)]
