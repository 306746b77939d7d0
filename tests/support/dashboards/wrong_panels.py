"""Ways to get a panel wrong, to be planted in a copy of a dashboard: the lint has to see each.

Each takes a panel and changes it, and says whether it had anything to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Panel = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One way, and what the finding has to say of it."""

    plant: Callable[[Panel], bool]
    reason: str


def rewritten(pattern: str, by: str) -> Callable[[Panel], bool]:
    """Puts something else in the first place of one of its queries that looks like this."""

    def plant(panel: Panel) -> bool:
        for target in panel.get("targets", []):
            new = re.sub(pattern, by, target["expr"], count=1)
            if new != target["expr"]:
                target["expr"] = new
                return True
        return False

    return plant


def in_lines(plant: Callable[[Panel], bool]) -> Callable[[Panel], bool]:
    """Only where something is shown over time."""
    return lambda panel: panel["type"] == "timeseries" and plant(panel)


def asking(query: str) -> Callable[[Panel], bool]:
    """Has its first query ask something else."""

    def plant(panel: Panel) -> bool:
        for target in panel.get("targets", [])[:1]:
            target["expr"] = query
        return bool(panel.get("targets"))

    return plant


def without(key: str) -> Callable[[Panel], bool]:
    """Leaves something out of what it says of itself."""

    def plant(panel: Panel) -> bool:
        return panel["type"] != "row" and bool(panel.pop(key, None))

    return plant


def with_another_unit(panel: Panel) -> bool:
    """Bytes for what are none, and seconds for bytes: units that there are."""
    found = list(_units(panel))
    for holder, key in found:
        holder[key] = "s" if holder[key] == "bytes" else "bytes"
    return bool(found)


def with_an_unknown_unit(panel: Panel) -> bool:
    found = list(_units(panel))
    for holder, key in found:
        holder[key] = "seconds"
    return bool(found)


def _units(panel: Panel) -> Iterator[tuple[dict[str, Any], str]]:
    fields = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    if fields["defaults"].get("unit"):
        yield fields["defaults"], "unit"
    for override in fields["overrides"]:
        yield from ((each, "value") for each in override["properties"] if each["id"] == "unit")


def with_a_legend_of_nothing(panel: Panel) -> bool:
    for target in panel.get("targets", []):
        if "{{" in target.get("legendFormat", ""):
            target["legendFormat"] = "{{worker}}"
            return True
    return False


def of_another_datasource(panel: Panel) -> bool:
    for target in panel.get("targets", []):
        target["datasource"] = {"type": "prometheus", "uid": "PBFA97CFB590B2093"}
    return bool(panel.get("targets"))


def asking_twice(panel: Panel) -> bool:
    panel.get("targets", []).extend(panel.get("targets", [])[:1])
    return bool(panel.get("targets"))


#: The four of bar M5 of the issue on metrics: each dashboard has to show them caught.
USUAL = {
    "a misspelt metric": Wrong(
        rewritten(r"\bsingletrack_(\w)", r"singletrack_x\1"), "there is no metric singletrack_x"
    ),
    "a label that the metric does not have": Wrong(
        rewritten(r'(singletrack_\w+{namespace=~"\$namespace")', r'\1,worker="w"'),
        "has no label worker",
    ),
    "a label that its result has lost": Wrong(with_a_legend_of_nothing, "names the label worker"),
    "another unit": Wrong(with_another_unit, "with the unit"),
    "a rate of a gauge": Wrong(
        asking('max(rate(singletrack_locks_suspect{namespace=~"$namespace"}[$__rate_interval]))'),
        "rate of singletrack_locks_suspect, which is a gauge",
    ),
}

#: What else goes wrong, and not on every dashboard.
OTHERS = {
    "no PromQL": Wrong(rewritten(r"\)$", ""), "it is no PromQL"),
    "a counter without a rate": Wrong(
        rewritten(r"rate\(([^[]+)\[\$__rate_interval]\)", r"(\1)"), "without rate or increase"
    ),
    "a window of its own": Wrong(
        rewritten(r"\[\$__rate_interval]", "[5m]"), "looks back by another time"
    ),
    "an increase over all time in a line": Wrong(
        in_lines(rewritten(r"rate\(([^[]+)\[\$__rate_interval]\)", r"increase(\1[$__range])")),
        "at each of its points",
    ),
    "a quantile without buckets": Wrong(rewritten("_bucket", "_sum"), "what are no buckets"),
    "a quantile without le": Wrong(
        rewritten(r"sum by \(le(, \w+)*\)", "sum"), "have lost their label le"
    ),
    "a quantile of single buckets": Wrong(
        rewritten(r"sum by \(le(, \w+)*\) (?=\()", ""), r"wants sum by \(le, …\)"
    ),
    "an increase of a sum": Wrong(
        rewritten(r"increase\(\(max", "increase((sum"), "it hides resets"
    ),
    "a moment for an age": Wrong(rewritten(r"time\(\) - ", ""), "it shows timestamp"),
    "a grouping by what is not there": Wrong(
        rewritten(r"sum by \((?!le)", "sum by (worker, "), "by worker, which is not there"
    ),
    "an outcome that is none": Wrong(rewritten("succeeded", "finished"), "is never finished"),
    "a sum over exporters": Wrong(
        rewritten(r"max by (?=\(namespace, (task|queue|kind|label)\b)", "sum by "),
        r"max by \(…\) first",
    ),
    "sides that never meet": Wrong(rewritten(r"/ \(sum by \(task\)", "/ (sum"), "which never meet"),
    "targets that never meet": Wrong(rewritten("on \\(", "on (worker, "), "one side does not have"),
    "every installation": Wrong(
        rewritten(r'{namespace=~"\$namespace"', '{job!=""'), "not asked for in the chosen namespace"
    ),
    "a variable that is none": Wrong(
        rewritten(r'"\$namespace"', '"$namespace",pod="$pod"'), "there is no variable pod"
    ),
    "a unit that is none": Wrong(with_an_unknown_unit, "none that is used here"),
    "no description": Wrong(without("description"), "no title or no description"),
    "no query": Wrong(without("targets"), "it asks nothing"),
    "a datasource of its own": Wrong(of_another_datasource, "not the chosen one"),
    "the same query twice": Wrong(asking_twice, "the same letter"),
}
