"""Interleaved timing: everything once a round, so that a slow moment of the machine falls on all alike."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WARM_UP = 2
SETTLE_SECONDS = 0.02  # between two contenders: worker threads of the one before stop waiting for work


@dataclass(frozen=True)
class Times:
    """Milliseconds of one contender, one a round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def ratio_to(self, other: Times) -> float:
        """How many times as long this one takes as ``other``: median over the rounds of the ratio within a round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True))


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    in_a_row: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    shuffled: bool = False,
) -> dict[str, Times]:
    """Run all contenders in turn, ``rounds`` times after a warm-up.

    Args:
        contenders: what to call, by name.
        rounds: how often.
        in_a_row: runs of a contender in a round, of which the last counts: more than one for what follows itself in use.
        clock: what tells seconds; ``time.process_time`` where others use the machine, too.
        shuffled: in another order each round, where what runs before could matter as much as what is to be found.

    Returns:
        times, by name.
    """
    for _ in range(WARM_UP):
        for run in contenders.values():
            run()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    generator = random.Random(0)
    for _ in range(rounds):
        turn = list(contenders.items())
        if shuffled:
            generator.shuffle(turn)
        for name, run in turn:
            time.sleep(SETTLE_SECONDS)
            for _ in range(in_a_row):
                start = clock()
                run()
            taken[name].append((clock() - start) * 1000)
    return {name: Times(tuple(values)) for name, values in taken.items()}
