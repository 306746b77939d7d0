"""Every metric of the platform's runs: declared here, counted in the ledger, rendered here.

The ledger's functions increment fields named `<metric>|label=value|…` in the same step as the state
change (see `functions/counting.lua`), so the numbers survive any crash. One exporter turns them
into the Prometheus format: the operator's, or the API's where there is no operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.registry import Collector

PREFIX = "singletrack_"

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One metric: its name without prefix, its kind, its help text."""

    name: str
    kind: str
    help: str
    buckets: tuple[float, ...] = ()


HISTOGRAMS = (
    Declaration(
        "run_wait_seconds",
        "histogram",
        "From the submission of a run to the start of its code, in seconds.",
        _SECONDS,
    ),
    Declaration(
        "run_duration_seconds",
        "histogram",
        "How long the code of a run executed, in seconds; result is ok or error.",
        _SECONDS,
    ),
)

LIFECYCLE = (
    Declaration("runs_submitted_total", "counter", "Runs recorded, by task and door."),
    Declaration("runs_finished_total", "counter", "Runs that reached an end, by task and outcome."),
    Declaration(
        "retries_total", "counter", "Attempts that another one follows, by task and cause."
    ),
    Declaration("claims_refused_total", "counter", "Messages that came twice or too late."),
    Declaration("leases_expired_total", "counter", "Leases that ended without a word."),
    Declaration("locks_released_total", "counter", "Suspect locks released by a human."),
    Declaration(
        "locks_suspect", "gauge", "Locks held for a worker that is not heard of (onLost: Hold)."
    ),
    Declaration("runs", "gauge", "Runs that are alive now, by state."),
    Declaration("paused", "gauge", "Locks and queues that are paused now, by kind."),
    *HISTOGRAMS,
)

LOCK_WAITERS = Declaration("lock_waiters", "gauge", "Runs that wait for a lock now.")

Labels = tuple[tuple[str, str], ...]


def parse_field(field: str) -> tuple[str, Labels]:
    """Split `runs|state=READY` into the name and its labels."""
    name, *labels = field.split("|")
    return name, tuple((label.partition("=")[0], label.partition("=")[2]) for label in labels)


def render(counters: Mapping[str, float]) -> Iterator[Metric]:
    """The ledger's counters as Prometheus metric families, empty ones included."""
    families = {declared.name: _family(declared) for declared in LIFECYCLE}
    histograms: dict[tuple[str, Labels], dict[str, float]] = {}
    for field in sorted(counters):
        name, labels = parse_field(field)
        base = _histogram_of(name)
        if base:
            plain = tuple(pair for pair in labels if pair[0] != "le")
            part = dict(labels).get("le", name.rsplit("_", 1)[1])
            histograms.setdefault((base, plain), {})[part] = counters[field]
        elif name in families:
            families[name].add_sample(f"{PREFIX}{name}", dict(labels), counters[field])
    for (base, plain), parts in sorted(histograms.items()):
        _add_histogram(families[base], base, dict(plain), parts)
    yield from families.values()
    waiters = _family(LOCK_WAITERS)
    waiters.add_sample(waiters.name, {}, counters.get("runs|state=QUEUED", 0))
    yield waiters


def _family(declared: Declaration) -> Metric:
    name = declared.name.removesuffix("_total") if declared.kind == "counter" else declared.name
    return Metric(f"{PREFIX}{name}", declared.help, declared.kind)


def _histogram_of(name: str) -> str | None:
    base = name.rsplit("_", 1)[0]
    return base if any(base == declared.name for declared in HISTOGRAMS) else None


def _add_histogram(
    family: Metric, base: str, labels: dict[str, str], parts: Mapping[str, float]
) -> None:
    declared = next(item for item in HISTOGRAMS if item.name == base)
    total = 0.0
    for bound in declared.buckets:
        total += parts.get(f"{bound:g}", 0)
        family.add_sample(f"{PREFIX}{base}_bucket", {**labels, "le": f"{float(bound)}"}, total)
    count = parts.get("count", 0)
    family.add_sample(f"{PREFIX}{base}_bucket", {**labels, "le": "+Inf"}, count)
    family.add_sample(f"{PREFIX}{base}_count", labels, count)
    family.add_sample(f"{PREFIX}{base}_sum", labels, parts.get("sum", 0))


class LedgerCollector(Collector):
    """A Prometheus collector over a snapshot of the ledger's counters."""

    def __init__(self, snapshot: Callable[[], Mapping[str, float]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return render(self._snapshot())
