"""The ledger's counters in Prometheus's text format, and a page of them and a process's own.

A counter's field is `<metric>|label=value|…`; that of a histogram names one bucket (`_bucket` and
`le`, not cumulative) or the sum (`_sum`).

The text is written here and not by the client library, which needs 35 ms for the 4,500 lines of 100
tasks (`bench/scrape.py`); an operator that is asked by two servers would do little else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from singletrack.errors import LedgerError
from singletrack.ledger import AsyncLedger
from singletrack.metrics.declarations import LEDGER, Kind, Metric
from singletrack.operations import ReadCounters

_UP = "ledger_up"
_BY_NAME = {metric.name: metric for metric in LEDGER}
_END = b"# EOF\n"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


async def read_counters(ledger: AsyncLedger) -> Mapping[str, float] | None:
    """What the ledger has counted; None if it did not answer."""
    try:
        return await ledger.execute(ReadCounters())
    except LedgerError:
        return None


def own_page(own: CollectorRegistry, accepted: str) -> tuple[bytes, str]:
    """What a process knows of itself, and the media type that the header Accept wants."""
    encode, media_type = choose_encoder(accepted)
    return encode(own), media_type


def page(
    own: CollectorRegistry, runs: Mapping[str, float] | None, accepted: str
) -> tuple[bytes, str]:
    """The same with what the ledger has counted; None if it did not answer."""
    text, media_type = own_page(own, accepted)
    openmetrics = media_type.startswith("application/openmetrics-text")
    text = text.removesuffix(_END)
    text += render(runs, openmetrics=openmetrics).encode()
    return text + (_END if openmetrics else b""), media_type


def render(counters: Mapping[str, float] | None, *, openmetrics: bool = False) -> str:
    """Every metric of the ledger, also those that have counted nothing yet.

    A ledger that did not answer (None) has no numbers, and not zeros.
    """
    lines = _lines_by_metric(counters or {})
    lines[_UP] = [f"{_BY_NAME[_UP].full_name} {0 if counters is None else 1}\n"]
    known = LEDGER if counters is not None else (_BY_NAME[_UP],)
    written: list[str] = []
    for metric in known:
        written.append(_head(metric, openmetrics=openmetrics))
        written.extend(lines.get(metric.name) or _nothing(metric))
    return "".join(written)


def _head(metric: Metric, *, openmetrics: bool) -> str:
    name = metric.full_name
    if openmetrics and metric.kind is Kind.COUNTER:
        name = name.removesuffix("_total")
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"


def _nothing(metric: Metric) -> Iterator[str]:
    """A number without labels is there from the start."""
    if not metric.labels:
        yield f"{metric.full_name} 0\n"


def _lines_by_metric(counters: Mapping[str, float]) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = defaultdict(list)
    histograms: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for field in sorted(counters):
        name, labels, part = _place_of(field)
        if part:
            histograms[name, labels][part] = counters[field]
        else:
            lines[name].append(f"{labels}{_text(counters[field])}")
    for (name, labels), parts in histograms.items():
        lines[name].extend(_histogram(name, labels, parts))
    return lines


@lru_cache(maxsize=20_000)
def _place_of(field: str) -> tuple[str, str, str]:
    """The metric, what stands before the number, and of a histogram which bucket, or `sum`."""
    name, *pairs = field.split("|")
    labels = dict(sorted(pair.split("=", 1) for pair in pairs))
    if name in _BY_NAME:
        written = ",".join(_label(each) for each in labels.items())
        start = _BY_NAME[name].full_name + (f"{{{written}}}" if written else "")
        return name, f"{start} ", ""
    base, _, part = name.rpartition("_")
    bound = labels.pop("le", part)
    return base, ",".join(_label(each) for each in labels.items()), bound


@lru_cache(maxsize=2_000)
def _starts_of_buckets(name: str, labels: str) -> tuple[tuple[str, str], ...]:
    """Of each bucket the bound as it stands in a field, and what stands before the number."""
    metric = _BY_NAME[name]
    bounds = [(f"{bound:g}", str(float(bound))) for bound in metric.buckets]
    return tuple(
        (field, f'{metric.full_name}_bucket{{le="{shown}",{labels}}} ')
        for field, shown in [*bounds, ("+Inf", "+Inf")]
    )


@lru_cache(maxsize=5_000)
def _text(number: float) -> str:
    """Most numbers are few and small, and to look one up takes less than to format it."""
    return f"{number:.15g}\n"


def _label(pair: tuple[str, str]) -> str:
    return f'{pair[0]}="{pair[1].translate(_ESCAPES)}"'


def _histogram(name: str, labels: str, parts: Mapping[str, float]) -> Iterator[str]:
    full_name, total = _BY_NAME[name].full_name, 0.0
    for bound, start in _starts_of_buckets(name, labels):
        total += parts.get(bound, 0)
        yield f"{start}{_text(total)}"
    yield f"{full_name}_count{{{labels}}} {_text(total)}"
    yield f"{full_name}_sum{{{labels}}} {_text(parts.get('sum', 0))}"
