"""Whether something grows: the slope of a regression line, and how sure it is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]

SURE = 1.96  # standard errors on either side hold the true slope 19 times out of 20


@dataclass(frozen=True)
class Slope:
    """Of a line through the points, with its standard error."""

    value: float
    error: float

    @property
    def lowest(self) -> float:
        return self.value - SURE * self.error

    @property
    def largest(self) -> float:
        """What it is at most, with 97.5 % confidence."""
        return self.value + SURE * self.error


def settled(points: Sequence[Point]) -> Sequence[Point]:
    """Without the first half, in which caches fill and heaps find their size."""
    return points[len(points) // 2 :]


def slope_of(points: Sequence[Point]) -> Slope:
    """The error takes into account that neighbours are alike: memory moves in steps and stays.

    With a correlation of r between neighbours, n points are worth n (1 - r) / (1 + r).
    """
    xs, ys = zip(*points, strict=True)
    line = statistics.linear_regression(xs, ys)
    off = [y - line.intercept - line.slope * x for x, y in points]
    squares = sum(each * each for each in off)
    if not squares:
        return Slope(line.slope, 0.0)
    alike = sum(one * next_one for one, next_one in pairwise(off)) / squares
    worth = (1 + max(alike, 0.0)) / (1 - max(alike, 0.0))
    across = sum((x - statistics.fmean(xs)) ** 2 for x in xs)
    return Slope(line.slope, (squares / (len(points) - 2) / across * worth) ** 0.5)
