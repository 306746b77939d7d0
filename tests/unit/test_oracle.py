"""What a query has to answer, by one who knows what happened and not what was scraped."""

from __future__ import annotations

from typing import Any

import pytest
from support.measured.oracle import NotKnown, Oracle
from support.measured.tally import series
from support.prometheus.syntax import Node

ENDS = {
    series("runs_finished_total", task="a", outcome="succeeded"): 6,
    series("runs_finished_total", task="b", outcome="succeeded"): 3,
    series("runs_finished_total", task="b", outcome="failed"): 1,
}
BEFORE = {series("runs_finished_total", task="a", outcome="succeeded"): 2}
ORACLE = Oracle(ENDS, namespace="ns", window=300, before=BEFORE)


def read(name: str, *matchers: tuple[str, str, str]) -> Node:
    said = [{"name": label, "type": sign, "value": value} for label, sign, value in matchers]
    return {"type": "vectorSelector", "name": f"singletrack_{name}", "matchers": said}


def call(name: str, argument: Node) -> Node:
    return {"type": "call", "func": {"name": name}, "args": [argument]}


def gather(op: str, of: Node, *by: str) -> Node:
    return {"type": "aggregation", "op": op, "grouping": [*by], "without": False, "expr": of}


def compute(left: Node, op: str, right: Node) -> Node:
    return {"type": "binaryExpr", "lhs": left, "op": op, "rhs": right, "matching": None}


def number(value: float) -> Node:
    return {"type": "numberLiteral", "val": str(value)}


def answer(tree: Node) -> dict[Any, float]:
    return {tuple(value for _, value in labels): n for labels, n in ORACLE.answer(tree).items()}


def test_a_rate_is_the_count_by_the_seconds_of_the_window() -> None:
    rate = gather("sum", call("rate", read("runs_finished_total")), "task")
    assert answer(compute(number(300), "*", rate)) == {("a",): 6, ("b",): 4}


def test_an_increase_is_the_count() -> None:
    ends = gather("sum", call("increase", read("runs_finished_total")), "outcome")
    assert answer(ends) == {("succeeded",): 9, ("failed",): 1}


def test_matchers_choose_among_the_series_and_the_namespace_is_one_of_their_labels() -> None:
    chosen = read("runs_finished_total", ("outcome", "=~", "failed|lost"), ("namespace", "=", "ns"))
    assert answer(gather("sum", chosen)) == {(): 1}
    elsewhere = read("runs_finished_total", ("namespace", "!~", "n."))
    assert answer(gather("sum", elsewhere, "task")) == {}


def test_a_ratio_is_of_those_that_are_on_both_sides() -> None:
    good = gather("sum", read("runs_finished_total", ("outcome", "=", "succeeded")), "task")
    all_of_b = gather("sum", read("runs_finished_total", ("task", "!=", "a")), "task")
    assert answer(compute(good, "/", compute(all_of_b, ">", number(0)))) == {("b",): 0.75}


def test_sets_of_series_are_put_together_by_their_labels() -> None:
    by_task = gather("sum", read("runs_finished_total"), "task")
    failed = gather("sum", read("runs_finished_total", ("outcome", "=", "failed")), "task")
    assert answer(compute(by_task, "unless", failed)) == {("a",): 6}
    assert answer(compute(by_task, "and", failed)) == {("b",): 4}
    assert answer(compute(failed, "or", by_task)) == {("a",): 6, ("b",): 1}


def test_with_an_offset_it_is_as_it_was_before() -> None:
    earlier = {**read("runs_finished_total"), "offset": 300_000}
    assert answer(gather("sum", earlier)) == {(): 2}


def test_what_was_not_counted_is_not_known() -> None:
    assert not ORACLE.knows(read("runs_submitted_total"))
    with pytest.raises(NotKnown, match="runs_submitted_total"):
        ORACLE.answer(read("runs_submitted_total"))


@pytest.mark.parametrize(
    "tree",
    [
        call("histogram_quantile", read("runs_finished_total")),
        gather("sum", read("runs_finished_total"), "instance"),
        compute(read("runs_finished_total"), "^", read("runs_finished_total")),
    ],
    ids=["a function", "a label of the target", "an operator"],
)
def test_what_it_cannot_compute_is_not_known(tree: Node) -> None:
    with pytest.raises(NotKnown):
        ORACLE.answer(tree)
