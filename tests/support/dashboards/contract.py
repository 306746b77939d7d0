"""What a query may say of our metrics, whoever asks it: a panel, an annotation or a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as ast
from support.dashboards.promql import (
    RATES,
    Ancestors,
    bare,
    called,
    is_scalar,
    labels,
    matchers,
    selectors,
    walk,
)
from support.dashboards.series import KNOWN, TARGET_LABELS, Series


def complaints(tree: Any) -> Iterator[str]:
    """What is wrong with a panel's query; its windows and its unit are not looked at here."""
    yield from meaning_complaints(tree)
    for selector, above in selectors(tree):
        if selector.name in KNOWN:
            yield from _rate_complaints(KNOWN[selector.name], above)
            yield from _target_complaints(KNOWN[selector.name], above)


def meaning_complaints(tree: Any) -> Iterator[str]:
    """What is wrong with any query: a rule may record a counter as it is, or count exporters."""
    for selector, _ in selectors(tree):
        yield from name_complaints(selector)
    for node, _ in walk(tree):
        yield from _grouping_complaints(node)
        yield from _quantile_complaints(node)
        yield from _matching_complaints(node)


def name_complaints(selector: Any) -> Iterator[str]:
    """Names, labels and values that are not declared; a recorded series (`a:b:c`) has its own."""
    if selector.name is None:
        yield "it selects without a metric's name"
        return
    if ":" in selector.name:
        return
    known = KNOWN.get(selector.name)
    if known is None:
        yield f"there is no metric {selector.name}"
        return
    for label, matcher in matchers(selector).items():
        if known.labels is not None and label not in known.labels | TARGET_LABELS:
            yield f"{known.name} has no label {label}"
        elif label in known.values:
            yield from _value_complaints(label, matcher, known.values[label])


def _value_complaints(label: str, matcher: Any, values: frozenset[str]) -> Iterator[str]:
    if matcher.value.startswith("$"):
        return
    exact = matcher.op == ast.MatchOp.Equal or matcher.op == ast.MatchOp.NotEqual
    for wanted in [matcher.value] if exact else matcher.value.split("|"):
        found = wanted in values if exact else any(re.fullmatch(wanted, each) for each in values)
        if not found:
            yield f"{label} is never {wanted}"


def _rate_complaints(series: Series, above: Ancestors) -> Iterator[str]:
    rates = [called(node) for node in above if called(node) in RATES]
    if series.counter and not rates and not any(map(_is_what_is_new, above)):
        yield f"{series.name} is a counter, and is shown without rate or increase"
    if rates and not series.counter:
        yield f"{rates[-1]} of {series.name}, which is a gauge"


def _is_what_is_new(node: Any) -> bool:
    """`x unless x offset …`: counters that were not there; what they count is their increase."""
    if not isinstance(node, ast.BinaryExpr) or str(node.op) != "unless":
        return False
    now, then = node.lhs.prettify(), node.rhs.prettify()
    return bool(then != now and re.sub(r" offset \w+", "", then) == now)


def _target_complaints(series: Series, above: Ancestors) -> Iterator[str]:
    aggregates = [node for node in above if isinstance(node, ast.AggregateExpr)]
    nearest = str(aggregates[-1].op) if aggregates else "nothing"
    if series.of_ledger and nearest not in {"max", "min"}:
        yield f"{nearest} of {series.name}, of which each target says the same: max by (…) first"


def _grouping_complaints(node: Any) -> Iterator[str]:
    if isinstance(node, ast.AggregateExpr) and node.modifier is not None:
        there = labels(node.expr)
        for label in node.modifier.labels:
            if there is not None and label not in there:
                yield f"{node.op} by {label}, which is not there"
    if called(node) in RATES and isinstance(inner := bare(node.args[0]), ast.SubqueryExpr):
        once = bare(inner.expr)
        if not (isinstance(once, ast.AggregateExpr) and str(once.op) == "max"):
            yield f"{called(node)} of a subquery that is no max by (…): it hides resets"


def _quantile_complaints(node: Any) -> Iterator[str]:
    if called(node) != "histogram_quantile":
        return
    buckets = node.args[1]
    if any(not (each.name or "").endswith("_bucket") for each, _ in selectors(buckets)):
        yield "histogram_quantile of what are no buckets"
    aggregate = bare(buckets)
    if not isinstance(aggregate, ast.AggregateExpr) or str(aggregate.op) != "sum":
        yield "histogram_quantile wants sum by (le, …) of the buckets"
    elif "le" not in (labels(aggregate) or ()):
        yield "histogram_quantile of buckets that have lost their label le"


def _matching_complaints(node: Any) -> Iterator[str]:
    """Both sides of an operation must be able to meet."""
    if not isinstance(node, ast.BinaryExpr) or str(node.op) == "or":
        return
    if is_scalar(node.lhs) or is_scalar(node.rhs):
        return
    left, right = labels(node.lhs), labels(node.rhs)
    if left is None or right is None:
        return
    if node.modifier is None or node.modifier.matching is None:
        if left != right:
            yield f"{node.op} of {_named(left)} and {_named(right)}, which never meet"
        return
    yield from _missing_labels(node, left, right)


def _missing_labels(node: Any, left: frozenset[str], right: frozenset[str]) -> Iterator[str]:
    for label in node.modifier.matching.labels:
        if label not in left & right:
            yield f"{node.op} on {label}, which one side does not have"
    for label in node.modifier.group_labels or ():
        if label not in right:
            yield f"{node.op} takes over {label}, which the right side does not have"


def _named(names: frozenset[str]) -> str:
    return f"({', '.join(sorted(names))})"
