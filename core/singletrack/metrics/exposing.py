"""The ledger's counters in the Prometheus format.

A counter's field is `<metric>|label=value|…`; that of a histogram names one bucket (`_bucket` and
`le`, not cumulative) or the sum (`_sum`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from singletrack.metrics.declarations import LEDGER, Kind, Metric

Labels = tuple[tuple[str, str], ...]

_UP = "ledger_up"
_BY_NAME = {metric.name: metric for metric in LEDGER}


def parse_field(field: str) -> tuple[str, Labels]:
    """Split `runs|queue=q|state=READY` into the name and its labels."""
    name, *labels = field.split("|")
    return name, tuple((label.partition("=")[0], label.partition("=")[2]) for label in labels)


def render(counters: Mapping[str, float] | None) -> Iterator[Family]:
    """Every metric of the ledger, also those that have counted nothing yet.

    A ledger that did not answer (None) has no numbers, and not zeros.
    """
    up = family(_BY_NAME[_UP])
    up.add_sample(up.name, {}, 0 if counters is None else 1)
    yield up
    if counters is not None:
        yield from _families(counters)


def family(metric: Metric) -> Family:
    """A metric without samples."""
    name = (
        metric.full_name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.full_name
    )
    return Family(name, metric.help, metric.kind.value)


def _families(counters: Mapping[str, float]) -> Iterator[Family]:
    families = {name: family(metric) for name, metric in _BY_NAME.items() if name != _UP}
    histograms: dict[tuple[str, Labels], dict[str, float]] = {}
    for field in sorted(counters):
        name, labels = parse_field(field)
        if name in families:
            full_name = _BY_NAME[name].full_name
            families[name].add_sample(full_name, dict(labels), counters[field])
        else:
            base, _, part = name.rpartition("_")
            plain = tuple(pair for pair in labels if pair[0] != "le")
            bound = dict(labels).get("le", part)
            histograms.setdefault((base, plain), {})[bound] = counters[field]
    for (base, labels), parts in sorted(histograms.items()):
        _add_histogram(families[base], _BY_NAME[base], dict(labels), parts)
    for name in _ALWAYS:
        if not families[name].samples:
            families[name].add_sample(_BY_NAME[name].full_name, {}, 0)
    yield from families.values()


#: Numbers that have no labels are there from the start.
_ALWAYS = tuple(metric.name for metric in LEDGER if not metric.labels and metric.name != _UP)


def _add_histogram(
    into: Family, metric: Metric, labels: dict[str, str], parts: Mapping[str, float]
) -> None:
    total = 0.0
    for bound in metric.buckets:
        total += parts.get(f"{bound:g}", 0)
        into.add_sample(f"{metric.full_name}_bucket", {**labels, "le": f"{float(bound)}"}, total)
    total += parts.get("+Inf", 0)
    into.add_sample(f"{metric.full_name}_bucket", {**labels, "le": "+Inf"}, total)
    into.add_sample(f"{metric.full_name}_count", labels, total)
    into.add_sample(f"{metric.full_name}_sum", labels, parts.get("sum", 0))


class LedgerCollector(Collector):
    """A Prometheus collector over a snapshot of the ledger's counters."""

    def __init__(self, snapshot: Callable[[], Mapping[str, float] | None]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Family]:
        return render(self._snapshot())
