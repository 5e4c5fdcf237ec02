"""Chunks to workers, rows to files; and what is done about workers that die.

A chunk that was lost with a worker is tried again. Lost a second time, its photos are asked about singly; a photo that is
lost once more runs with nothing beside it, and is a failure if the worker dies then, too. So no photo is blamed for another,
and none where nothing survives at all. Dask itself gives a task to several workers before it is lost: to four by default, and
it counts the deaths of those where the task only waited. So a chunk that it loses once is taken apart at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from dptscope.commands.progress import PhotoCount
from dptscope.errors import DptscopeError
from dptscope_survey.folder import Part, SurveyFolder
from dptscope_survey.photos import name_of
from dptscope_survey.pool import Pool
from dptscope_survey.worker import Found, Task, ask

KILLS = "the process that works on it dies"

_REDRAW = 1.0  # seconds
_AHEAD = 2  # chunks a worker: it need not wait until its last one is written
_SINGLY, _ALONE = 2, 3  # deaths after which a chunk's photos are asked about singly, and one at a time
_HOPELESS = 8  # deaths, where no photo has given anything
_HOPELESS_ROUNDS = 3  # of a cluster: as often as all that is worked on at once is lost


@dataclass(frozen=True)
class _Piece:
    """A chunk, or a photo of one.

    Attributes:
        chunk: its number.
        start: place of the first photo in the chunk.
        photos: of the piece.
        deaths: how often a worker died while it was being worked on.
    """

    chunk: int
    start: int
    photos: Sequence[Path]
    deaths: int = 0


@dataclass
class _Gathered:
    """What is known of a chunk, by the place of the photos in it."""

    pieces: dict[int, Found] = field(default_factory=dict)
    photos: int = 0

    def merged(self) -> Found:
        found = Found()
        for _, piece in sorted(self.pieces.items()):
            for table, rows in piece.rows.items():
                found.rows.setdefault(table, []).extend(rows)
            found.failed += piece.failed
        return found


class Engine:
    """Works through the chunks of a survey."""

    def __init__(self, folder: SurveyFolder, task: Task, pool: Pool, count: PhotoCount) -> None:
        self._folder, self._task, self._pool, self._count = folder, task, pool, count
        self._chunks = folder.survey.chunks
        self._waiting: deque[_Piece] = deque()
        self._suspects: deque[_Piece] = deque()
        self._killers: list[_Piece] = []
        self._flying: dict[Future[Found], _Piece] = {}
        self._gathered: dict[int, _Gathered] = {}
        self._succeeded = self._deaths = 0
        self._hopeless = _HOPELESS if pool.dies_whole else _HOPELESS_ROUNDS * _AHEAD * pool.workers

    def run(self, chunks: Sequence[int]) -> None:
        """Ask about these chunks, and write down what they give.

        Raises:
            DptscopeError: the model cannot be loaded by the workers, or the folder cannot be written to.
        """
        self._waiting.extend(_Piece(chunk, 0, self._chunks[chunk]) for chunk in chunks)
        while self._waiting or self._suspects or self._flying:
            self._submit()
            with self._count.shown():
                done, _ = wait(self._flying, timeout=_REDRAW, return_when=FIRST_COMPLETED)
            self._pool.check()
            lost = [piece for future in done if (piece := self._finish(future)) is not None]
            if lost:
                self._deaths += 1 if self._pool.dies_whole else len(lost)  # one takes all along, or each its own
                if self._deaths >= self._hopeless and not self._succeeded:
                    raise DptscopeError(
                        f"{self._task.model}: expected workers that live, got none that survives a photo"
                    )
                if self._pool.dies_whole:
                    lost += [piece for future in list(self._flying) if (piece := self._finish(future)) is not None]
                self._pool.renew()
                for piece in lost:
                    self._try_again(piece)
        for piece in self._killers:
            self._take(piece, Found(failed=[(name_of(photo), KILLS) for photo in piece.photos]))

    def _submit(self) -> None:
        """A suspect flies alone, at the end."""
        while self._waiting and len(self._flying) < _AHEAD * self._pool.workers:
            self._fly(self._waiting.popleft())
        if self._suspects and not self._flying:
            self._fly(self._suspects.popleft())

    def _fly(self, piece: _Piece) -> None:
        self._flying[self._pool.submit(ask, self._task, piece.photos)] = piece

    def _finish(self, future: Future[Found]) -> _Piece | None:
        """Take what a future gave; the piece itself where its worker died."""
        piece = self._flying.pop(future)
        try:
            found = future.result()
        except self._pool.deaths:
            return piece
        self._take(piece, found)
        return None

    def _take(self, piece: _Piece, found: Found) -> None:
        self._succeeded += len(piece.photos) - len(found.failed)
        gathered = self._gathered.setdefault(piece.chunk, _Gathered())
        gathered.pieces[piece.start] = found
        gathered.photos += len(piece.photos)
        if gathered.photos == len(self._chunks[piece.chunk]):
            self._folder.write(piece.chunk, self._gathered.pop(piece.chunk).merged())
        self._count.some_done(len(piece.photos), len(found.failed))

    def _try_again(self, piece: _Piece) -> None:
        deaths = max(piece.deaths + 1, 1 if self._pool.dies_whole else _SINGLY)
        if deaths < _SINGLY:
            self._waiting.appendleft(replace(piece, deaths=deaths))
        elif deaths == _SINGLY:
            self._waiting.extendleft(
                _Piece(piece.chunk, piece.start + place, [photo], deaths) for place, photo in enumerate(piece.photos)
            )
        elif deaths == _ALONE:
            self._suspects.append(replace(piece, deaths=deaths))
        else:
            self._killers.append(piece)


def chunks_to_do(folder: SurveyFolder, part: Part, again: bool) -> list[int]:
    """The chunks of a part that are not there yet.

    Args:
        folder: of the survey.
        part: of it.
        again: also those with photos that failed.
    """
    failed = folder.failed() if again else {}
    return [
        number
        for number, photos in enumerate(folder.survey.chunks)
        if part.has(number) and (not folder.is_done(number) or any(name_of(photo) in failed for photo in photos))
    ]
