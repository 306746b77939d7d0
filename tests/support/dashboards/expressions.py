"""PromQL for the dashboards, written so that several targets give one true number.

Every metric is scraped from several targets, and each kind is put together in its own way:

- What the ledger counts is the same number wherever it is read. One exporter shows it, but two do
  while its Pod is replaced, and more where an API of several replicas is the exporter. So `max by`
  comes first (`ledger`, `ledger_rate`, `ledger_growth`), and only what has become one number for
  each set of labels is added up.
- What a process knows of itself (API, operator, worker) is its own part of a sum (`own`,
  `own_rate`).

`ledger_growth` counts over the whole time that is shown: it takes the maximum first and then the
increase, so that it is right also where one exporter has followed another in that time. Everything
else looks back by `$__rate_interval`.

The rules in `charts/singletrack/alerts` count in the same way.
"""

from __future__ import annotations

from singletrack.metrics.declarations import EVERY, PREFIX, Kind, Metric

#: Matches installations that are scraped without a label `namespace`, too: `All` is `.*`.
PLACE = 'namespace=~"$namespace"'

#: Alerts of ours; that of an exporter which is absent has no namespace.
FIRING = 'ALERTS{alertstate="firing",alertname=~"Singletrack.+",namespace=~"$namespace|"}'

#: What tells one target from another: here metrics of one process meet.
TARGET = "namespace, job, instance"

#: Ends of runs that were executed and did not succeed; the others say that somebody decided so.
FAILED = 'outcome=~"failed|timed_out|lost"'
SUCCEEDED = 'outcome="succeeded"'
EXECUTED = 'outcome=~"succeeded|failed|timed_out|lost"'

_BY_NAME = {metric.name: metric for metric in EVERY}


def selector(series: str, *matchers: str) -> str:
    """A metric of ours by its name without the prefix, of the chosen installations."""
    return f"{PREFIX}{series}{{{','.join((PLACE, *matchers))}}}"


def standard(series: str, *, rate: bool = False) -> str:
    """What every client library shows of its process, with the component that it is."""
    found = f"{series}{{{PLACE}}}"
    found = f"rate({found}[$__rate_interval])" if rate else found
    return f"{found} * on ({TARGET}) group_left (component) {selector('build_info')}"


def ledger(series: str, *matchers: str) -> str:
    """What the ledger says now, once for each set of labels."""
    return _once(series, selector(series, *matchers))


def ledger_rate(series: str, *matchers: str) -> str:
    """How fast the ledger's counter grows, once for each set of labels."""
    return _once(series, f"rate({selector(series, *matchers)}[$__rate_interval])")


def ledger_growth(series: str, *matchers: str) -> str:
    """By how much the ledger's counter has grown in the time that is shown."""
    return f"increase(({ledger(series, *matchers)})[$__range:$__interval])"


def ledger_growth_of_new(series: str, *matchers: str) -> str:
    """The same where a set of labels appears with its first count, which no increase would see.

    What was not there when the time that is shown began is new, if the ledger answered then.
    """
    now = ledger(series, *matchers)
    then = _once(series, f"{selector(series, *matchers)} offset $__range")
    answered = f"max by (namespace) ({selector('ledger_up')} offset $__range) == 1"
    new = f"{now} unless {then} and on (namespace) {answered}"
    return f"({new}) or {ledger_growth(series, *matchers)}"


def own(series: str, *matchers: str) -> str:
    """What each process says of itself now."""
    return selector(series, *matchers)


def own_rate(series: str, *matchers: str) -> str:
    """How fast each process's own counter grows."""
    return f"rate({selector(series, *matchers)}[$__rate_interval])"


def total(expression: str, *labels: str) -> str:
    """The sum, by labels if any are named."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} ({expression})"


def per_minute(expression: str) -> str:
    """Runs are few: a rate by the minute can be read."""
    return f"60 * {expression}"


def quantile(share: float, buckets: str, *labels: str) -> str:
    """Below what this share of the observations lies, and no point at all without any."""
    return f"histogram_quantile({share:g}, {total(buckets, 'le', *labels)}) >= 0"


def ratio(part: str, whole: str) -> str:
    """The part of the whole, and no point at all of nothing."""
    return f"{part} / ({whole} > 0)"


def age(timestamp: str) -> str:
    """How long ago that was."""
    return f"time() - {timestamp}"


def _once(series: str, expression: str) -> str:
    return f"max by ({', '.join(('namespace', *labels_of(series)))}) ({expression})"


def labels_of(series: str) -> tuple[str, ...]:
    """The labels of a series as declared, `le` included."""
    metric = declared(series)
    bucket = series == f"{metric.name}_bucket"
    return (*metric.labels, "le") if bucket else metric.labels


def declared(series: str) -> Metric:
    """The declaration of a series.

    Raises:
        KeyError: nothing of that name is declared.
    """
    if series in _BY_NAME and _BY_NAME[series].kind is not Kind.HISTOGRAM:
        return _BY_NAME[series]
    base, _, part = series.rpartition("_")
    if part in {"bucket", "sum", "count"} and _BY_NAME[base].kind is Kind.HISTOGRAM:
        return _BY_NAME[base]
    raise KeyError(series)
