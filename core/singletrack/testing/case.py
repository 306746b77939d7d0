"""A history arranged for the rules: who executed when, by lock and by run."""

from __future__ import annotations

import bisect
import functools
from collections import defaultdict
from dataclasses import dataclass

from singletrack.lifecycle import State
from singletrack.testing.evidence import History, Limits, Observation
from singletrack.testing.task_log import Span, spans

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two starts on one lock, of which the later began before the earlier's last line."""

    earlier: Span
    later: Span
    whole_ms: float
    forgiven: bool


class Case:
    """What the rules ask of a history."""

    def __init__(self, history: History, limits: Limits) -> None:
        self.history = history
        self.limits = limits
        self.spans = spans(history.events)
        self.starts = [span for span in self.spans if span.begun]
        self.records = {record.run: record for record in history.records}
        if len(self.records) < len(history.records):
            raise ValueError("There are two records of one run.")
        self.owners = {lock.key: lock.owner for lock in history.locks or ()}
        self._spans_of: dict[str, list[Span]] = defaultdict(list)
        for span in self.spans:
            self._spans_of[span.run].append(span)
        self._seen_of: dict[str, list[Observation]] = defaultdict(list)
        for seen in sorted(history.observations, key=lambda seen: seen.order):
            self._seen_of[seen.run].append(seen)
        self.runs = sorted({*self.records, *self._spans_of, *self._seen_of})

    def spans_of(self, run: str) -> list[Span]:
        return self._spans_of.get(run, [])

    def seen_of(self, run: str) -> list[Observation]:
        """What observers saw of a run, each observer's sightings in order."""
        return self._seen_of.get(run, [])

    def state_of(self, run: str | None) -> State | None:
        record = self.records.get(run) if run else None
        return record.state if record else None

    def forgives(self, span: Span, start_ns: int, end_ns: int) -> bool:
        """Whether a process was frozen when it should have been gone, and woke only for the grace.

        Frozen later does not count: it was awake when somebody else began, or its end was recorded.
        """
        following = bisect.bisect_right(span.instants, start_ns)
        before, after = span.instants[following - 1], span.instants[following]
        was_frozen = after - before >= self.limits.frozen_ms * NS_PER_MS
        awake_ms = max(0, end_ns - after) / NS_PER_MS
        return was_frozen and 0 < self.limits.grace_ms >= awake_ms

    @functools.cached_property
    def overlaps(self) -> list[Overlap]:
        found: list[Overlap] = []
        open_on: dict[str, list[Span]] = defaultdict(list)
        for later in self.spans:
            start = later.first_ns
            executing = [span for span in open_on[later.lock] if span.last_ns > start]
            for earlier in executing:
                end = min(earlier.last_ns, later.last_ns)
                forgiven = self.forgives(earlier, start, end)
                whole_ms = (end - start) / NS_PER_MS
                found.append(
                    Overlap(earlier=earlier, later=later, whole_ms=whole_ms, forgiven=forgiven)
                )
            open_on[later.lock] = [*executing, later]
        return found
