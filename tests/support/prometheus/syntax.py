"""PromQL taken apart by Prometheus itself (`/api/v1/parse_query`, of version 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.prometheus.server import Prometheus

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Matcher:
    """What a selector says of one label."""

    label: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """The series that a query reads."""

    name: str
    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        inner = ",".join(f'{each.label}{each.sign}"{each.value}"' for each in self.matchers)
        return f"{self.name}{{{inner}}}"


def parse(server: Prometheus, expression: str) -> Node:
    """The tree of an expression.

    Raises:
        QueryRefused: it is no PromQL.
    """
    return server.ask("parse_query", query=expression)


def nodes(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in ("expr", "lhs", "rhs", "param"):
        if node.get(child):
            yield from nodes(node[child])
    for argument in node.get("args", []):
        yield from nodes(argument)


def selectors(tree: Node) -> list[Selector]:
    found = (node for node in nodes(tree) if node["type"] in {"vectorSelector", "matrixSelector"})
    return [selector_of(node) for node in found]


def selector_of(node: Node) -> Selector:
    matchers = tuple(
        Matcher(each["name"], each["type"], each["value"])
        for each in node["matchers"]
        if each["name"] != "__name__"
    )
    return Selector(node["name"], matchers)


def labels_named(tree: Node) -> set[str]:
    """Every label by which it groups or joins."""
    found: set[str] = set()
    for node in nodes(tree):
        found.update(node.get("grouping") or ())
        matching = node.get("matching") or {}
        found.update(matching.get("labels", ()), matching.get("include", ()))
    return found
