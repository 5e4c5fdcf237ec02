"""What an export shows while it runs and when it is done."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dptscope.meaning import in_words
from dptscope.process.signals import on_exit

if TYPE_CHECKING:
    from dptscope_export.pipeline import Exported, Report


@contextmanager
def show_progress(stages: Sequence[str]) -> Iterator[Report]:
    """A progress bar over the stages on standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True, highlight=False)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with on_exit(lambda: _clear_line(console)), progress:
        task = progress.add_task("start", total=len(stages))

        def report(stage: str, detail: str) -> None:
            progress.update(task, completed=stages.index(stage), description=f"{stage} {detail}".strip())

        yield report


def _clear_line(console: Console) -> None:
    """Do what ending the bar does, for a process that cannot end it any more."""
    if console.is_terminal:
        os.write(console.file.fileno(), b"\r\x1b[2K\x1b[?25h")  # the line goes, the cursor comes back


def show_result(exported: Exported, notes: Sequence[str] = ()) -> None:
    """Say what was written, what told the variant, how close it is to PyTorch, and the notes."""
    console = Console(highlight=False, soft_wrap=True)
    card, parity = exported.card, exported.card.parity
    assert parity is not None
    console.print(f"{card.variant} {card.architecture}, {in_words(card)}, told by {card.evidence}")
    height, width = card.native_size
    any_size = f"any multiple of {card.size_multiple}, native {height} × {width}"
    console.print(f"sizes: {any_size if card.dynamic else f'{height} × {width} only'}")
    for note in (*exported.notes, *notes):
        console.print(f"note: {note}")
    rounded = " with its weights in float16" if card.storage == "float16" else ""
    console.print(
        f"verified{rounded} at {_sizes(len(parity.sizes))}: depth within {parity.depth_range:.1e} of its range "
        f"({parity.depth:.1e} of its std), norms {parity.norms:.1e}, companion {parity.companion:.1e}"
    )
    for file in exported.files:
        console.print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    peak = peak_memory_gib()
    memory = "" if peak is None else f", peak memory {peak:.2f} GiB"
    console.print(f"{time.process_time():.0f} s of CPU time{memory}")


def peak_memory_gib() -> float | None:
    """Largest resident size of this process so far, where the system tells."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def _sizes(number: int) -> str:
    return "1 size" if number == 1 else f"{number} sizes"
