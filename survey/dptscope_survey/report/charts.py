"""The charts of a report, with matplotlib. Numbers in, pictures out; all in one style, on white."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dptscope.contract import FUSION_BLOCKS
from dptscope_survey.report.numbers import Array, FusionNumbers, Numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = (5, 95)  # percentiles of the photos that a band holds

_INK, _FAINT, _RULE = "#20242c", "#6b7280", "#e5e7eb"
_BLUE, _RED, _GREEN = "#2f6fb0", "#c2417a", "#3d8f6e"
_WIDTH = 10.5  # inches: the width of the page
_STYLE: Any = {
    "figure.dpi": 144,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _FAINT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _RULE,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@contextmanager
def _figure(height: float, columns: int, rows: int = 1, **options: Any) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure without a window, in the style of all."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, list(np.atleast_1d(figure.subplots(rows, columns, **options)).ravel())


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _banded(axes: Axes, values_pb: Array, colour: str, label: str, **line: Any) -> None:
    """The median photo as a line, and a band that holds most photos."""
    blocks = np.arange(values_pb.shape[1])
    low_b, middle_b, high_b = np.percentile(values_pb, [BAND[0], 50, BAND[1]], axis=0)
    axes.fill_between(blocks, low_b, high_b, color=colour, alpha=0.16, linewidth=0)
    axes.plot(blocks, middle_b, color=colour, linewidth=1.8, label=label, **line)


def _over_blocks(axes: Axes, blocks: int) -> None:
    step = math.ceil(blocks / 24)
    axes.set_xticks(range(0, blocks, step))
    axes.set_xlim(-0.5, blocks - 0.5)
    axes.set_xlabel("block")


def norms_chart(numbers: Numbers, taps: Sequence[int | None]) -> bytes:
    """Norms over depth, logarithmic."""
    with _figure(3.6, 1) as (figure, (axes,)):
        norms = numbers.norms_pb
        blocks = norms["median"].shape[1]
        _banded(axes, norms["max"], _RED, "longest patch token of a photo")
        _banded(axes, norms["median"], _BLUE, "median patch token")
        _banded(axes, norms["min"], _GREEN, "shortest")
        if "cls_norm" in norms:
            _banded(axes, norms["cls_norm"], _INK, "class token", linestyle=(0, (3, 2)))
        for name in norms:
            if name.startswith("register"):
                axes.plot(np.median(norms[name], axis=0), color=_INK, linewidth=0.9, linestyle=":", label=name)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.tick_params(axis="y", which="minor", labelcolor=_FAINT)
        for tap in taps:
            if tap is not None:
                axes.axvline(tap, color=_RULE, linewidth=6, zorder=0)
        _over_blocks(axes, blocks)
        axes.set_ylabel("L2 norm")
        axes.legend(loc="upper left", ncols=6)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.14)  # room for the legend
        return _png(figure)


def outliers_chart(numbers: Numbers) -> bytes:
    """How many photos have outliers, and how many of their patches are."""
    with _figure(2.9, 2) as (figure, (left, right)):
        blocks = numbers.norms_pb["outliers"].shape[1]
        have_b = 100 * (numbers.norms_pb["outliers"] > 0).mean(axis=0)
        left.bar(range(blocks), have_b, color=_RED, width=0.7)
        left.set_ylim(0, 100)
        left.set_title("photos with outliers, %")
        right.bar(range(blocks), 100 * numbers.norms_pb["share"].mean(axis=0), color=_RED, width=0.7)
        low_b, high_b = np.percentile(100 * numbers.norms_pb["share"], BAND, axis=0)
        right.vlines(range(blocks), low_b, high_b, color=_INK, linewidth=1.2)
        right.set_ylim(0, None if numbers.norms_pb["share"].any() else 1)
        right.set_title("patches that are outliers, %: mean, and 5 to 95 % of the photos")
        for axes in (left, right):
            _over_blocks(axes, blocks)
        return _png(figure)


def places_chart(numbers: Numbers) -> bytes:
    """Where in the picture outliers sit, a map a block."""
    places_bhw = 100 * numbers.places_bhw
    blocks = len(places_bhw)
    columns = min(6, blocks)
    rows = math.ceil(blocks / columns)
    with _figure(0.2 + 1.45 * rows, columns, rows, sharex=True, sharey=True) as (figure, maps):
        for block, axes in enumerate(maps):
            axes.grid(visible=False)
            axes.set_xticks([])
            axes.set_yticks([])
            if block >= blocks:
                axes.set_axis_off()
                continue
            image = axes.imshow(places_bhw[block], vmin=0, vmax=places_bhw.max(), cmap="magma", extent=(0, 4, 0, 3))
            axes.set_title(f"block {block}" + ("" if places_bhw[block].any() else ": none"), fontsize=9, pad=4)
        bar = figure.colorbar(image, ax=maps, shrink=0.8, pad=0.01)
        bar.outline.set_visible(False)
        bar.set_label("photos with an outlier there, %", color=_FAINT)
        return _png(figure)


_FUSION_TITLES: dict[str, str] = {
    "change": "change of the depth, in its standard deviations",
    "edges_kept": "edges kept, %",
    "correlation": "correlation with the unscaled depth",
}


def fusion_chart(fusion: FusionNumbers) -> bytes:
    """What the fusion blocks do: the median photo, and a bar that holds most photos."""
    with _figure(3.0, len(_FUSION_TITLES)) as (figure, panels):
        for axes, (name, title) in zip(panels, _FUSION_TITLES.items(), strict=True):
            values_pkf = fusion.measured_pkf[name] * (100 if name == "edges_kept" else 1)
            for place, factor in enumerate(fusion.factors):
                x = np.arange(len(FUSION_BLOCKS)) + 0.3 * (place - (len(fusion.factors) - 1) / 2)
                low_k, middle_k, high_k = np.nanpercentile(values_pkf[..., place], [BAND[0], 50, BAND[1]], axis=0)
                colour = (_RED, _BLUE)[place % 2]
                axes.vlines(x, low_k, high_k, color=colour, alpha=0.28, linewidth=9)
                axes.plot(x, middle_k, "o", color=colour, markersize=6.5, label=_factor_name(factor))
            axes.set_title(title, fontsize=9)
            axes.set_xticks(range(len(FUSION_BLOCKS)), ["1\nfinest", "2", "3", "4\ncoarsest"])
            axes.set_xlim(-0.6, len(FUSION_BLOCKS) - 0.4)
        panels[0].set_ylim(0)
        panels[1].set_ylim(0, 104)
        panels[0].legend(loc="best")
        return _png(figure)


def _factor_name(factor: float) -> str:
    return {0.0: "switched off", 0.5: "halved"}.get(factor, f"× {factor:g}")


def depth_chart(depths: dict[str, Array], meaning: str) -> bytes:
    """How the depths of the photos spread."""
    with _figure(2.5, 2) as (figure, (left, right)):
        bins = min(40, max(8, len(depths["median"]) // 8))
        left.hist(depths["median"], bins, color=_BLUE)
        left.set_title(f"median depth of a photo ({meaning})", fontsize=9)
        right.hist(depths["q95"] - depths["q05"], bins, color=_BLUE)
        right.set_title("range of a photo, from its 5th to its 95th percentile", fontsize=9)
        for axes in (left, right):
            axes.set_ylabel("photos")
            axes.locator_params(axis="y", integer=True)
        return _png(figure)
