"""What has happened to runs, and what the counters have to say of it.

The one side comes from what a test asked for and saw, or from the ledger's records; the other from
a page of metrics. Neither knows of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from singletrack.metrics.declarations import PREFIX

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A name without the prefix, and its labels in order."""

#: The metrics that what happened to runs decides alone, whenever it is looked.
DECIDED = (
    "runs_submitted_total",
    "runs_finished_total",
    "run_failures_total",
    "retries_total",
    "run_wait_seconds_count",
    "run_duration_seconds_count",
)

_BROKEN = {"failed", "timed_out", "lost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One run: where it came in, how often its code was started, how it ended."""

    task: str
    door: str
    outcome: str = ""
    """As a label says it; nothing while it lives."""
    reason: str = ""
    starts: int = 1
    causes: tuple[str, ...] = ()
    """Why each attempt that another one followed had failed."""
    handed_back: bool = False
    """A worker was about to start its code, and gave the run back instead."""

    @property
    def ended_attempts(self) -> int:
        """Every start but the one that goes on."""
        return self.starts if self.outcome else len(self.causes)


def series(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


def of_stories(stories: Iterable[Story]) -> Counter[Series]:
    """What the counters in `DECIDED` have to be."""
    counts: Counter[Series] = Counter()
    for story in stories:
        task = story.task
        counts[series("runs_submitted_total", task=task, door=story.door)] += 1
        waited = story.starts > 0 or story.handed_back
        counts[series("run_wait_seconds_count", task=task)] += waited
        counts.update(series("retries_total", task=task, cause=cause) for cause in story.causes)
        if story.outcome:
            counts[series("runs_finished_total", task=task, outcome=story.outcome)] += 1
        if story.outcome in _BROKEN:
            counts[series("run_failures_total", task=task, reason=story.reason)] += 1
        well = int(story.outcome == "succeeded")
        bad = story.ended_attempts - well
        counts[series("run_duration_seconds_count", task=task, result="ok")] += well
        counts[series("run_duration_seconds_count", task=task, result="error")] += bad
    return +counts


def of_page(text: str, names: Iterable[str] = DECIDED) -> Counter[Series]:
    """What a page says of these metrics, apart from zeros."""
    wanted = {f"{PREFIX}{name}": name for name in names}
    counts: Counter[Series] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted and sample.value:
                counts[series(wanted[sample.name], **_written_alike(sample.labels))] += int(
                    sample.value
                )
    return counts


def _written_alike(labels: Mapping[str, str]) -> dict[str, str]:
    """A bound of 1.0 and one of 1 are the same."""
    return {k: f"{float(v):g}" if k == "le" else v for k, v in labels.items()}


def differences(expected: Mapping[Series, int], shown: Mapping[Series, int]) -> list[str]:
    """One sentence for each number that is off."""
    every = sorted({*expected, *shown})
    pairs = [(each, expected.get(each, 0), shown.get(each, 0)) for each in every]
    return [f"{_text(each)} is {was}, not {ought}" for each, ought, was in pairs if ought != was]


def _text(each: Series) -> str:
    name, labels = each
    return f"{name}{{{', '.join(f'{label}={value}' for label, value in labels)}}}"
