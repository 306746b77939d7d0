"""The rules of the promise, each a function from a case to its violations.

To add a rule, write such a function and put it into `RULES`; their order is the verdict's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from singletrack.lifecycle import OWNING, TERMINAL, State
from singletrack.testing.case import NS_PER_MS, Case
from singletrack.testing.evidence import (
    FinalRecord,
    Kind,
    Limits,
    Observation,
    Violation,
)
from singletrack.testing.task_log import Span

NEVER_STARTED = frozenset({State.REJECTED, State.SKIPPED, State.JOINED})
WAITED_IN_VAIN = frozenset({State.SUPERSEDED, State.EXPIRED})
STARTED = frozenset({State.RUNNING, State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST})


def _overlaps(case: Case) -> Iterator[Violation]:
    for overlap in case.overlaps:
        if not overlap.forgiven:
            earlier, later = overlap.earlier, overlap.later
            sentence = (
                f"on lock {later.lock}, {later} began {_at(later.first_ns)} while {earlier} was "
                f"executing, last seen {_at(earlier.last_ns)}: {overlap.whole_ms:.1f} ms together"
            )
            yield _of(later, Kind.OVERLAP, sentence)


def _second_starts(case: Case) -> Iterator[Violation]:
    for run in case.runs:
        starts: dict[int, list[Span]] = defaultdict(list)
        for span in case.spans_of(run):
            if span.begun:
                starts[span.attempt].append(span)
        for attempt, spans in starts.items():
            if len(spans) > 1:
                where = ", ".join(f"pid {span.pid} {_at(span.first_ns)}" for span in spans)
                sentence = f"attempt {attempt} of {run} began {len(spans)} times: {where}"
                yield Violation(kind=Kind.SECOND_START, sentence=sentence, run=run)
        record = case.records.get(run)
        attempts = max(len(starts), (record and record.attempts) or 0)
        if attempts > case.limits.max_attempts:
            sentence = f"{run} had {attempts} attempts; allowed are {case.limits.max_attempts}"
            yield Violation(kind=Kind.SECOND_START, sentence=sentence, run=run)


def _token_order(case: Case) -> Iterator[Violation]:
    last: dict[str, Span] = {}
    known: set[tuple[str, int]] = set()
    for span in case.starts:
        if (span.run, span.attempt) in known:
            continue  # a second start, and said so
        known.add((span.run, span.attempt))
        before = last.get(span.lock)
        if before and span.token <= before.token:
            sentence = f"on lock {span.lock}, {span} began after {before}, whose token is not lower"
            yield _of(span, Kind.TOKEN_ORDER, sentence)
        last[span.lock] = span


def _forbidden_starts(case: Case) -> Iterator[Violation]:
    for span in case.starts:
        record = case.records.get(span.run)
        if record is None:
            continue
        finished = record.finished_boottime_ns
        if span.attempt > _attempts_allowed_by(record, case.limits):
            counted = "" if record.attempts is None else f", {record.attempts} attempts counted"
            sentence = f"{span} began, although the run ended {record.state}{counted}"
            yield _of(span, Kind.FORBIDDEN_START, sentence)
        elif finished is not None and span.first_ns > finished:
            sentence = (
                f"{span} began {_at(span.first_ns)}, after its end was recorded {_at(finished)}"
            )
            yield _of(span, Kind.FORBIDDEN_START, sentence)


def _attempts_allowed_by(record: FinalRecord, limits: Limits) -> float:
    """The last attempt that a run with such an end can have begun."""
    if record.state in NEVER_STARTED:
        return 0
    if record.state in WAITED_IN_VAIN:  # only between two attempts can a run have begun and wait
        return min(record.attempts or 0, limits.max_attempts - 1)
    if record.state is State.CANCELLED and record.attempts is not None:
        return record.attempts
    return float("inf")


def _outlived(case: Case) -> Iterator[Violation]:
    for span in case.spans:
        record = case.records.get(span.run)
        finished = record.finished_boottime_ns if record else None
        if finished is None or not span.first_ns <= finished < span.last_ns:
            continue
        if not case.forgives(span, finished, span.last_ns):
            late_ms = (span.last_ns - finished) / NS_PER_MS
            sentence = f"{span} was executing {late_ms:.1f} ms after its end was recorded"
            yield _of(span, Kind.OUTLIVED, sentence)


def _unfinished(case: Case) -> Iterator[Violation]:
    for run in case.runs:
        record = case.records.get(run)
        if record is None or record.state is None:
            starts, sightings = len(case.spans_of(run)), len(case.seen_of(run))
            if record is None or record.accepted or starts or sightings:
                told = "accepted" if record and record.accepted else "not known to be accepted"
                sentence = f"{run} has no record ({told}, {starts} starts, seen {sightings} times)"
                yield Violation(kind=Kind.LOST, sentence=sentence, run=run)
        elif record.state not in TERMINAL:
            missing = _what_is_missing_behind(record, case)
            kind = Kind.STUCK if missing else Kind.LOST
            sentence = f"{run} is still {record.state} at the end{missing}"
            yield Violation(kind=kind, sentence=sentence, run=run, lock=record.lock)


def _what_is_missing_behind(record: FinalRecord, case: Case) -> str:
    """Why a live run will never end, as far as the history tells."""
    owner = case.owners.get(record.lock)
    owned = f"lock {record.lock} is owned by {owner or 'nobody'}"
    if case.history.locks is not None:
        if record.state in OWNING and owner != record.run:
            return f", but {owned}"
        if record.state is State.QUEUED and case.state_of(owner) not in OWNING:
            return f", but {owned}" + (f", which is {case.state_of(owner)}" if owner else "")
    starts = case.spans_of(record.run)
    if record.state is State.RUNNING and record.logged and all(span.ended for span in starts):
        return f", but none of its {len(starts)} starts is still executing"
    return ""


def _locks(case: Case) -> Iterator[Violation]:
    for key, owner in case.owners.items():
        record = case.records.get(owner) if owner else None
        if owner is None or (record and record.state in OWNING and record.lock == key):
            continue
        what = f"{record.state or 'without a record'}, on {record.lock}" if record else "unknown"
        sentence = f"lock {key} is owned by {owner}, which is {what}"
        yield Violation(kind=Kind.STUCK, sentence=sentence, run=owner, lock=key)


def _terminal_flips(case: Case) -> Iterator[Violation]:
    for run in case.runs:
        flips = [*_flips_of_an_observer(case.seen_of(run))] or _flips_between(run, case)
        for sentence in flips:
            yield Violation(kind=Kind.TERMINAL_FLIP, sentence=f"{run}: {sentence}", run=run)


def _flips_of_an_observer(sightings: list[Observation]) -> Iterator[str]:
    last: dict[str, Observation] = {}
    for seen in sightings:
        before = last.get(seen.observer)
        last[seen.observer] = seen
        if before is None:
            continue
        told = f"{seen.observer} saw {_told(before)}, then {_told(seen)}"
        if before.state in TERMINAL and seen.state != before.state:
            yield told
        elif before.revision is not None and seen.revision is not None:
            same = seen.revision == before.revision and seen.state != before.state
            if seen.revision < before.revision or same:
                yield told


def _told(seen: Observation) -> str:
    return f"{seen.state}" + ("" if seen.revision is None else f" (revision {seen.revision})")


def _flips_between(run: str, case: Case) -> list[str]:
    """Observers, and the record, that know different ends of one run."""
    ends = {seen.state: seen.observer for seen in case.seen_of(run) if seen.state in TERMINAL}
    final = case.state_of(run)
    if not ends or (final is None and len(ends) == 1) or set(ends) == {final}:
        return []
    views = [f"{observer} saw {state}" for state, observer in ends.items()]
    return [", ".join([*views, f"the record says {final or 'nothing'}"])]


def _wrong_outcomes(case: Case) -> Iterator[Violation]:
    for record in case.records.values():
        starts = [span for span in case.spans_of(record.run) if span.begun]
        wrong = [*_contradictions(record, starts)]
        if wrong:
            sentence = f"{record.run} is {record.state}, but " + " and ".join(wrong)
            yield Violation(
                kind=Kind.WRONG_OUTCOME, sentence=sentence, run=record.run, lock=record.lock
            )


def _contradictions(record: FinalRecord, starts: list[Span]) -> Iterator[str]:
    attempt = max((span.attempt for span in starts), default=0)
    token = max((span.token for span in starts), default=0)
    ended = any(span.ended for span in starts if span.attempt == attempt)
    if record.state is State.SUCCEEDED and record.logged and not ended:
        yield f"its last attempt ({attempt}) never wrote its end"
    for span in starts:
        if span.lock != record.lock:
            yield f"{span} executed on lock {span.lock}, not on {record.lock}"
    if record.state not in STARTED:
        return
    if record.attempts is not None and record.attempts < attempt:
        yield f"attempt {attempt} began and {record.attempts} attempts are recorded"
    if record.token is not None and record.token < token:
        yield f"token {token} was used and {record.token} is recorded"


def _broken_log(case: Case) -> Iterator[Violation]:
    for span in case.spans:
        if not span.begun:
            sentence = f"{span} wrote {len(span.instants)} lines without a begin"
            yield _of(span, Kind.BROKEN_LOG, sentence)


def _at(instant_ns: int) -> str:
    return f"at {instant_ns / 1e9:.6f} s"


def _of(span: Span, kind: Kind, sentence: str) -> Violation:
    return Violation(kind=kind, sentence=sentence, run=span.run, lock=span.lock)


RULES: tuple[Callable[[Case], Iterator[Violation]], ...] = (
    _overlaps,
    _second_starts,
    _token_order,
    _forbidden_starts,
    _outlived,
    _unfinished,
    _locks,
    _terminal_flips,
    _wrong_outcomes,
    _broken_log,
)
