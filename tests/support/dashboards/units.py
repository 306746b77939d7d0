"""The unit of a query's result, derived from those of the metrics, and how Grafana names it."""

from __future__ import annotations

from typing import Any

import promql_parser as ast
from support.dashboards.promql import bare, called, children, is_scalar, is_set_operation, selectors
from support.dashboards.series import BYTES, COUNT, KNOWN, SECONDS, TIMESTAMP

RATIO, BY_SECOND, BY_MINUTE, ANY = "ratio", "by the second", "by the minute", ""

#: Grafana's ids of units, by what they are the unit of.
NAMES: dict[str, frozenset[str]] = {
    SECONDS: frozenset({"s", "dtdurations"}),
    BYTES: frozenset({"bytes", "decbytes"}),
    RATIO: frozenset({"percentunit"}),
    BY_SECOND: frozenset({"cps", "ops", "reqps"}),
    BY_MINUTE: frozenset({"cpm", "opm"}),
    COUNT: frozenset({"short", "none", "locale"}),
    TIMESTAMP: frozenset(),  # Grafana wants milliseconds; an age in seconds says more
}
VALID = frozenset().union(*NAMES.values())

_AS_THEIR_ARGUMENT = frozenset({"sum", "max", "min", "avg", "topk", "bottomk"})


def unit_of(node: Any) -> str:
    """The unit; `ANY` of numbers without one, as 1 - ….

    Raises:
        ValueError: the query mixes units, or does what has no rule here.
    """
    node = bare(node)
    match node:
        case ast.VectorSelector():
            return KNOWN[node.name].unit if node.name in KNOWN else ANY
        case ast.AggregateExpr():
            return _of_aggregate(node)
        case ast.BinaryExpr():
            return _of_operation(node)
        case ast.Call():
            return _of_call(node)
        case _:
            inner = children(node)
            return unit_of(inner[0]) if inner else ANY


def _of_aggregate(node: Any) -> str:
    operator = str(node.op)
    if operator in {"count", "group"}:
        return COUNT
    if operator in _AS_THEIR_ARGUMENT:
        return unit_of(node.expr)
    raise ValueError(f"what unit has {operator}()?")


def _of_call(node: Any) -> str:
    name = called(node)
    if name == "time":
        return TIMESTAMP
    if name == "vector":
        return ANY
    if name == "histogram_quantile":
        [(buckets, _)] = selectors(node)
        return KNOWN[buckets.name].observed_unit if buckets.name in KNOWN else ANY
    if name in {"increase", "max_over_time", "min_over_time", "clamp_min", "clamp_max"}:
        return unit_of(node.args[0])
    if name in {"rate", "irate"}:
        counted = unit_of(node.args[0])
        # Seconds of a processor for each second are how many of them are busy.
        return {COUNT: BY_SECOND, SECONDS: COUNT, ANY: ANY}.get(counted) or _none(name, counted)
    raise ValueError(f"what unit has {name}()?")


def _of_operation(node: Any) -> str:
    operator = str(node.op)
    left, right = unit_of(node.lhs), unit_of(node.rhs)
    if operator in {"+", "-"} and left == right == TIMESTAMP:
        return SECONDS
    if operator == "*":
        return _product(node, left, right)
    if operator == "/":
        return _quotient(left, right)
    if is_set_operation(node) and operator != "or":
        return left
    if operator in {"+", "-", "or", ">", "<", ">=", "<=", "==", "!="} and (
        left == right or ANY in {left, right}
    ):
        return left or right
    return _none(operator, left, right)


def _product(node: Any, left: str, right: str) -> str:
    for number, unit in ((node.lhs, right), (node.rhs, left)):
        if is_scalar(number):
            by_the_minute = unit == BY_SECOND and bare(number).val == 60
            return BY_MINUTE if by_the_minute else unit
    # One side is an info metric or another one that is 1 for each that counts.
    return left if right == COUNT else right if left == COUNT else _none("*", left, right)


def _quotient(left: str, right: str) -> str:
    if left == right:
        return RATIO
    # Seconds for each; a rate of seconds (see above) is a count, and the same holds.
    if (left, right) in {(SECONDS, COUNT), (COUNT, BY_SECOND)}:
        return SECONDS
    return _none("/", left, right)


def _none(operator: str, *units: str) -> str:
    raise ValueError(f"{operator} has no unit for {' and '.join(units)}")
