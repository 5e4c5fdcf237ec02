"""The window's numbers on tokens of the shipped model, from the mouse and from what is saved, against scikit-learn's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

import dptscope
from dptscope.commands.demo import MODEL, demo_photos
from dptscope.norms import outlier_threshold
from dptscope_view.anchor import CLASS_TOKEN, cell_at
from dptscope_view.engine import Engine
from dptscope_view.state import Facts, Show, State
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.viewer import Viewer
from dptscope_view.views.charts import number

from .conftest import Recorder

BLOCK = 7


class Window:
    """A viewer of the shipped model, with what it saved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.worker = folder, Recorder()
        photos = tuple(demo_photos())
        model = dptscope.load(MODEL)
        self.engine = Engine(model, photos)
        facts = Facts.of("demo", model.card, tuple(photo.name for photo in photos))
        state = State(size=facts.native, block=BLOCK)
        self.viewer = Viewer(facts, state, photos, self.worker, folder, folder)

    def show(self, **state: Any) -> None:
        self.viewer.state = replace(self.viewer.state, **state)
        self.viewer.take(self.engine.full(self.viewer.question()))
        self.viewer.draw(1280, 800)

    def hover(self, x: float, y: float) -> tuple[int, int]:
        """Bring the mouse over the map; returns the token's row and column."""
        rect = next(part.rect for part in self.viewer.parts if part.name == "map")
        at = int(rect.x + x * rect.width), int(rect.y + y * rect.height)
        self.viewer.on_mouse(Mouse(Pointer.MOVE, *at))
        self.viewer.draw(1280, 800)
        assert self.viewer.frame is not None
        place = (at[0] - rect.x) / rect.width, (at[1] - rect.y) / rect.height
        return cell_at(place, self.viewer.frame.norms[BLOCK].shape)

    def saved(self, what: str) -> Any:
        """An array that the key writes now."""
        self.viewer.on_key(ord("s"))
        self.worker.jobs.pop()(self.engine)
        newest = max(self.folder.glob(f"*_block_{BLOCK:02d}{what}.npy"))
        return np.load(newest)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Window:
    return Window(tmp_path_factory.mktemp("saved"))


@pytest.mark.parametrize("to", ["mouse", "class token"])
def test_similarity(window: Window, to: str) -> None:
    window.show(show=Show.SIMILARITY, anchor=CLASS_TOKEN if to == "class token" else None)
    row, column = window.hover(0.3, 0.6)
    frame = window.viewer.frame
    assert frame is not None and frame.tokens is not None and frame.cls_tokens is not None
    tokens_nc = frame.tokens[BLOCK].reshape(-1, frame.tokens[BLOCK].shape[2]).astype(np.float64)
    token_c = frame.tokens[BLOCK][row, column] if to == "mouse" else frame.cls_tokens[BLOCK]
    wanted_hw = cosine_similarity(tokens_nc, token_c[None].astype(np.float64)).reshape(frame.norms[BLOCK].shape)
    np.testing.assert_allclose(window.saved(""), wanted_hw, atol=2e-6)
    if to == "class token":  # the token under the mouse is not like itself there
        assert f" · similarity {number(float(wanted_hw[row, column]))} to the class token" in window.viewer.readout
    told = json.loads(max(window.folder.glob("*.json")).read_text())["shown"]
    assert told.startswith(
        "cosine similarity to a token of" if to == "mouse" else "cosine similarity to the class token"
    )


def test_principal_components(window: Window) -> None:
    window.show(show=Show.COMPONENTS, anchor=None)
    frame = window.viewer.frame
    assert frame is not None and frame.tokens is not None and frame.components is not None
    tokens_hwc = frame.tokens[BLOCK].astype(np.float64)
    kept_hw = frame.norms[BLOCK] <= outlier_threshold(frame.norms[BLOCK])
    reference = PCA(3, svd_solver="full").fit(tokens_hwc[kept_hw])
    wanted_hwk = reference.transform(tokens_hwc.reshape(-1, tokens_hwc.shape[2])).reshape(*kept_hw.shape, 3)
    saved_hwk = window.saved("_components")
    # Order and signs are those of the blocks around it, so that colours hold still.
    order = [
        int(np.abs(frame.components[BLOCK].explained_k - share).argmin())
        for share in reference.explained_variance_ratio_
    ]
    assert sorted(order) == [0, 1, 2]
    for k, place in enumerate(order):
        assert frame.components[BLOCK].explained_k[place] == pytest.approx(
            reference.explained_variance_ratio_[k], rel=1e-4
        )
        sign = np.sign((saved_hwk[..., place] * wanted_hwk[..., k]).sum())
        limit = 2e-3 * np.abs(wanted_hwk).max()
        np.testing.assert_allclose(sign * saved_hwk[..., place], wanted_hwk[..., k], atol=limit)
