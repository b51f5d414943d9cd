"""Whether somebody's measurements were slowed down by what others did meanwhile. Pure.

On a machine that does many other things, a time says little, and the same time twice says little
more. So what is judged is a median over many attacks, against how far apart the medians of quiet
times are in the same run.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_BOUND = 1.25
"""However quiet the machine is, a slow-down by less is none that this could tell."""
NOISE_QUANTILE = 0.9


@dataclass(frozen=True)
class Measurement:
    """One run of the neighbour: when it began and ended, and how long its loop took, in seconds."""

    began: float
    ended: float
    seconds: float


@dataclass(frozen=True)
class Span:
    """An attack, from its beginning to its end."""

    began: float
    ended: float


@dataclass(frozen=True)
class Slowdown:
    """What the attacks were to the neighbour.

    Attributes:
        ratios: for each attack the median during it, to the one of the quiet time before it; None
            where there was no measurement in one of the two.
        noise: how the medians of quiet times that follow each other compare, in both directions.
    """

    ratios: tuple[float | None, ...]
    noise: tuple[float, ...]

    @property
    def known(self) -> list[float]:
        """The ratios that were measured."""
        return [ratio for ratio in self.ratios if ratio is not None]

    @property
    def bound(self) -> float:
        """What the median of the ratios may be: quiet times differ by more now and then."""
        if not self.noise:
            return LEAST_BOUND
        place = min(int(NOISE_QUANTILE * len(self.noise)), len(self.noise) - 1)
        return max(sorted(self.noise)[place], LEAST_BOUND)

    def faults(self) -> list[str]:
        """What is wrong, one sentence each."""
        known, least = self.known, (len(self.ratios) + 1) // 2
        if not known or len(known) < least:
            return [f"The neighbour was measured beside {len(known)} of {len(self.ratios)} attacks,"
                    f" not beside {max(least, 1)}."]  # fmt: skip
        felt = statistics.median(known)
        if felt <= self.bound:
            return []
        return [f"The neighbour took {felt:.2f} times as long beside an attack; by the machine's"
                f" own noise it may be {self.bound:.2f}."]  # fmt: skip

    def __str__(self) -> str:
        felt = f"{statistics.median(self.known):.2f}" if self.known else "not measured"
        return (f"neighbour: median of {len(self.known)} attacks x {felt}, bound x {self.bound:.2f}"
                f" by {len(self.noise)} comparisons of quiet times")  # fmt: skip


def slowdown(measured: Sequence[Measurement], attacks: Sequence[Span]) -> Slowdown:
    """Compare what was measured during attacks, which follow each other, with what was between.

    A measurement that an attack touches belongs to it; one that no attack touches is quiet.
    """
    quiet, during = [], []
    since = float("-inf")
    for attack in attacks:
        quiet.append(
            _median([each for each in measured if each.began > since and each.ended < attack.began])
        )
        during.append(
            _median(
                [each for each in measured
                 if each.ended >= attack.began and each.began <= attack.ended]
            )
        )  # fmt: skip
        since = attack.ended
    ratios = [_ratio(felt, before) for felt, before in zip(during, quiet, strict=True)]
    known = [each for each in quiet if each is not None]
    noise = [a / b for i, b in enumerate(known[1:]) for a, b in ((known[i], b), (b, known[i]))]
    return Slowdown(tuple(ratios), tuple(noise))


def _median(measured: list[Measurement]) -> float | None:
    return statistics.median(each.seconds for each in measured) if measured else None


def _ratio(felt: float | None, before: float | None) -> float | None:
    return None if felt is None or before is None else felt / before
