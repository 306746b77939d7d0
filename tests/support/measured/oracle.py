"""What a query has to answer, worked out from what is known to have happened.

It reads the tree of a query and computes with whole counts, where Prometheus computes with samples:
a rate over the whole window is the count by its seconds. What is read with an offset is as it was
before anything happened.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from support.measured.tally import Series
from support.prometheus.syntax import Node, selector_of, selectors

from singletrack.metrics.declarations import PREFIX

Vector = dict[tuple[tuple[str, str], ...], float]

_COMPUTED: dict[str, Callable[[float, float], float]] = {
    "*": operator.mul,
    "/": operator.truediv,
    "+": operator.add,
    "-": operator.sub,
}
_KEPT: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_GATHERED: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


class NotKnown(Exception):
    """What is known does not decide the answer."""


class Oracle:
    """One who knows these numbers, and that they began at 0 within the last `window` seconds."""

    def __init__(
        self,
        numbers: Mapping[Series, float],
        namespace: str,
        window: float,
        before: Mapping[Series, float],
    ) -> None:
        self._numbers = numbers
        self._before = before
        self._place = ("namespace", namespace)
        self._window = window
        self._labels = {label for _, labels in numbers for label, _ in labels} | {"namespace"}

    def knows(self, tree: Node) -> bool:
        """Whether a query reads nothing but what is known."""
        names = {name for name, _ in self._numbers}
        read = {each.name.removeprefix(PREFIX) for each in selectors(tree)}
        return bool(read) and read <= names

    def answer(self, tree: Node) -> Vector:
        """The series that are not 0, by their labels.

        Raises:
            NotKnown: it computes in a way that this cannot.
        """
        found = self._of(tree)
        if isinstance(found, float):
            raise NotKnown("a plain number")
        return {labels: value for labels, value in found.items() if value}

    def _of(self, node: Node) -> Vector | float:
        ways: dict[str, Callable[[Node], Vector | float]] = {
            "numberLiteral": lambda node: float(node["val"]),
            "parenExpr": lambda node: self._of(node["expr"]),
            "subquery": lambda node: self._of(node["expr"]),
            "vectorSelector": self._selected,
            "matrixSelector": self._selected,
            "call": self._called,
            "aggregation": self._gathered,
            "binaryExpr": self._computed,
        }
        if node["type"] not in ways:
            raise NotKnown(node["type"])
        return ways[node["type"]](node)

    def _vector(self, node: Node) -> Vector:
        found = self._of(node)
        if isinstance(found, float):
            raise NotKnown("a number where series are expected")
        return found

    def _selected(self, node: Node) -> Vector:
        wanted = selector_of(node)
        name = wanted.name.removeprefix(PREFIX)
        if name not in {each for each, _ in self._numbers}:
            raise NotKnown(str(wanted))
        numbers = self._before if node.get("offset") else self._numbers
        found = {labels: value for (each, labels), value in numbers.items() if each == name}
        placed = {tuple(sorted((*labels, self._place))): v for labels, v in found.items()}
        return {
            labels: value
            for labels, value in placed.items()
            if all(
                _matches(dict(labels).get(m.label, ""), m.sign, m.value) for m in wanted.matchers
            )
        }

    def _called(self, node: Node) -> Vector | float:
        name = node["func"]["name"]
        if name == "increase":
            return self._vector(node["args"][0])
        if name == "vector":
            return {(): float(node["args"][0]["val"])}
        if name == "rate":
            return {k: v / self._window for k, v in self._vector(node["args"][0]).items()}
        raise NotKnown(f"{name}()")

    def _gathered(self, node: Node) -> Vector:
        grouping = set(node["grouping"] or ())
        if node["op"] not in _GATHERED or node["without"] or not grouping <= self._labels:
            raise NotKnown(f"{node['op']} by {grouping}")
        groups: dict[Any, list[float]] = {}
        for labels, value in self._vector(node["expr"]).items():
            groups.setdefault(tuple(pair for pair in labels if pair[0] in grouping), []).append(
                value
            )
        return {labels: float(_GATHERED[node["op"]](values)) for labels, values in groups.items()}

    def _computed(self, node: Node) -> Vector:
        sign, left, right = node["op"], self._of(node["lhs"]), self._of(node["rhs"])
        if isinstance(left, float) and isinstance(right, float):
            raise NotKnown("numbers only")
        if isinstance(left, float) or isinstance(right, float):
            return _with_number(sign, left, right)
        return _of_two(sign, left, right, node["matching"] or {})


def _with_number(sign: str, left: Vector | float, right: Vector | float) -> Vector:
    if isinstance(right, float) and not isinstance(left, float):
        if sign in _KEPT:
            return {labels: value for labels, value in left.items() if _KEPT[sign](value, right)}
        return {labels: _arithmetic(sign)(value, right) for labels, value in left.items()}
    assert isinstance(left, float)
    assert not isinstance(right, float)
    return {labels: _arithmetic(sign)(left, value) for labels, value in right.items()}


def _of_two(sign: str, left: Vector, right: Vector, matching: Mapping[str, Any]) -> Vector:
    if matching.get("include") or (matching.get("labels") and not matching.get("on")):
        raise NotKnown(f"{sign} of these")
    if sign in {"and", "or", "unless"}:
        return _set_of(sign, left, right, set(matching["labels"]) if matching.get("on") else None)
    compute = _arithmetic(sign)
    if matching.get("on"):
        raise NotKnown(f"{sign} of these")
    return {labels: compute(left[labels], right[labels]) for labels in left.keys() & right.keys()}


def _set_of(sign: str, left: Vector, right: Vector, on: set[str] | None) -> Vector:
    def key(labels: tuple[tuple[str, str], ...]) -> Any:
        return labels if on is None else tuple(pair for pair in labels if pair[0] in on)

    ours, theirs = {key(labels) for labels in left}, {key(labels) for labels in right}
    match sign:
        case "and":
            return {labels: value for labels, value in left.items() if key(labels) in theirs}
        case "unless":
            return {labels: value for labels, value in left.items() if key(labels) not in theirs}
        case _:
            others = {k: v for k, v in right.items() if key(k) not in ours}
            return {**left, **others}


def _arithmetic(sign: str) -> Callable[[float, float], float]:
    if sign not in _COMPUTED:
        raise NotKnown(f"{sign} of these")
    return _COMPUTED[sign]


def _matches(value: str, sign: str, wanted: str) -> bool:
    match sign:
        case "=":
            return value == wanted
        case "!=":
            return value != wanted
        case "=~":
            return re.fullmatch(wanted, value) is not None
        case _:
            return re.fullmatch(wanted, value) is None
