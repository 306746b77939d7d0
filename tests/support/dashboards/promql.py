"""A PromQL query as a tree: what it selects, and which labels its result has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import promql_parser as ast
from support.dashboards.series import KNOWN, TARGET_LABELS

#: What Grafana puts into a query. Lengths that nobody would write by hand, to be told from others.
RATE_INTERVAL, RANGE, INTERVAL = (timedelta(seconds=number) for number in (8_869, 98_731, 7))
_MACROS = {
    "$__rate_interval": RATE_INTERVAL,
    "$__range": RANGE,
    "$__interval": INTERVAL,
}

RATES = frozenset({"rate", "irate", "increase"})

Ancestors = tuple[Any, ...]


def parsed(query: str) -> Any:
    """The tree of a query as it stands in a dashboard.

    Raises:
        ValueError: it is no PromQL.
    """
    windows = {
        name: f"{length.seconds + 86_400 * length.days}s" for name, length in _MACROS.items()
    }
    return ast.parse(substituted(query, windows))


def substituted(query: str, values: Mapping[str, str]) -> str:
    """The query with these in the place of Grafana's variables; longer names first."""
    names = sorted(values, key=len, reverse=True)
    pattern = "|".join(rf"{re.escape(name)}\b" for name in names)
    return re.sub(pattern, lambda found: values[found.group()], query)


def walk(node: Any, above: Ancestors = ()) -> Iterator[tuple[Any, Ancestors]]:
    """Each node with those above it, the nearest last."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))


def children(node: Any) -> list[Any]:
    match node:
        case ast.BinaryExpr():
            return [node.lhs, node.rhs]
        case ast.Call():
            return list(node.args)
        case ast.MatrixSelector():
            return [node.vector_selector]
        case ast.AggregateExpr() | ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return [node.expr]
        case _:
            return []


def selectors(node: Any) -> Iterator[tuple[Any, Ancestors]]:
    """What is selected, each with the nodes above it."""
    for found, above in walk(node):
        if isinstance(found, ast.VectorSelector):
            yield found, above


def matchers(selector: Any) -> dict[str, Any]:
    return {each.name: each for each in selector.matchers.matchers}


def bare(node: Any) -> Any:
    """Without the parentheses around it."""
    return bare(node.expr) if isinstance(node, ast.ParenExpr) else node


def called(node: Any) -> str:
    """The name of the function, if it is a call."""
    return node.func.name if isinstance(node, ast.Call) else ""


def is_scalar(node: Any) -> bool:
    node = bare(node)
    return isinstance(node, ast.NumberLiteral) or called(node) in {"time", "pi", "scalar"}


def is_set_operation(node: Any) -> bool:
    return str(node.op) in {"and", "or", "unless"}


def labels(node: Any) -> frozenset[str] | None:
    """Those that the result can have; None if that cannot be said."""
    node = bare(node)
    match node:
        case ast.VectorSelector():
            known = KNOWN.get(node.name)
            own = known.labels if known else None
            return None if own is None else own | TARGET_LABELS
        case ast.AggregateExpr():
            return _of_aggregate(node)
        case ast.BinaryExpr():
            return _of_operation(node)
        case ast.Call():
            return _of_call(node)
        case _:
            inner = children(node)
            return labels(inner[0]) if inner else frozenset()


def _of_aggregate(node: Any) -> frozenset[str] | None:
    inner = labels(node.expr)
    if str(node.op) in {"topk", "bottomk"}:
        return inner
    if node.modifier is None:
        return frozenset()
    named = frozenset(node.modifier.labels)
    if node.modifier.type == ast.AggModifierType.By:
        return named
    return None if inner is None else inner - named


def _of_operation(node: Any) -> frozenset[str] | None:
    if is_scalar(node.lhs):
        return labels(node.rhs)
    left = labels(node.lhs)
    if is_scalar(node.rhs) or is_set_operation(node) or node.modifier is None:
        return left
    many_to_one = node.modifier.card == ast.VectorMatchCardinality.ManyToOne
    if many_to_one:
        return None if left is None else left | frozenset(node.modifier.group_labels or ())
    on = node.modifier.matching
    return frozenset(on.labels) if on and on.type == ast.LabelModifierType.Include else left


def _of_call(node: Any) -> frozenset[str] | None:
    vectors = [each for each in node.args if not is_scalar(each)]
    if called(node) in {"vector", "absent", "time"} or not vectors:
        return frozenset()
    found = labels(vectors[0])
    if called(node) == "histogram_quantile" and found is not None:
        return found - {"le"}
    return found
