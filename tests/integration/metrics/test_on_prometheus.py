"""Pages, dashboards and rules on real Prometheus servers, after everything has happened once.

The platform is real and so are both servers; what the numbers have to be is known beforehand.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest
from integration.metrics.conftest import Scene
from support.measured import boards, pages, rules, tally
from support.measured.boards import Asked
from support.measured.oracle import Oracle, Vector
from support.measured.rules import Rule
from support.measured.stage import NAMESPACE
from support.measured.tally import Series
from support.prometheus import programs, syntax
from support.prometheus.server import Prometheus, Sample
from support.prometheus.syntax import Matcher, Selector
from support.waiting import wait_until

from singletrack.metrics.counters import REASONS
from singletrack.metrics.declarations import API, COMMON, LEDGER, OPERATOR, WORKER, Kind

pytestmark = [pytest.mark.kubernetes, pytest.mark.redis, pytest.mark.timeout(300)]

#: Which page shows what. The API's does not show the ledger's, because there is an operator.
PAGES = {
    "api": (*COMMON, *API),
    "operator": (*LEDGER, *COMMON, *OPERATOR),
    "worker-0": (*COMMON, *WORKER),
    "worker-1": (*COMMON, *WORKER),
}

#: By how much a rate may be off: Prometheus extends what it saw towards the edges of the window.
TOLERANCE = 0.05

#: What the ledger said before anything happened, apart from zeros.
BEFORE = {tally.series("ledger_up"): 1}

#: Recording rules that hold a condition: they give nothing while it does not hold.
CONDITIONS = {"namespace_queue:singletrack_runs_stuck:min2m"}

#: Values that are not there before they have happened, which not all of them do here; of a metric
#: whose name contains the first, what the second, a label, may say.
MAY_COME = {
    ("kube_request", "code"): r"\d\d\d|\d\.\.|none",
    ("run_failures", "reason"): "|".join(REASONS),
}

PANELS, VARIABLES = boards.asked("panel"), boards.asked("variable")
ANNOTATIONS = boards.asked("annotation")
BOARDS = sorted({query.board for query in PANELS})
RULES = rules.every()

#: Everything that is asked, by where.
EXPRESSIONS = {
    board: [
        query.expression for query in (*PANELS, *VARIABLES, *ANNOTATIONS) if query.board == board
    ]
    for board in BOARDS
} | {"rules": [rule.expression for rule in RULES]}


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", programs.KINDS)
@pytest.mark.parametrize("part", PAGES)
def test_promtool_has_nothing_to_say_about_a_page(scene: Scene, kind: str, part: str) -> None:
    done = subprocess.run(
        [programs.find(kind).promtool, "check", "metrics"],
        input=scene.stage.page(part),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_page_is_scraped_without_an_error(scene: Scene, prometheus: Prometheus) -> None:
    found = prometheus.targets()
    assert len(found) == len(scene.stage.ports)
    assert not [each for each in found if each["health"] != "up"]


@pytest.mark.parametrize("part", PAGES)
def test_a_page_shows_what_is_declared_with_exactly_its_labels(scene: Scene, part: str) -> None:
    shown = pages.families(scene.stage.page(part))
    assert set(shown) == {pages.declared_as(metric) for metric in PAGES[part]}
    for metric in PAGES[part]:
        family = shown[pages.declared_as(metric)]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        assert pages.label_sets(family) == {frozenset(metric.labels)}, metric.name
        if metric.kind is Kind.HISTOGRAM:
            assert pages.bounds(family) == {*metric.buckets, math.inf}, metric.name


def test_no_series_says_which_run_or_which_lock_it_is_about(scene: Scene) -> None:
    text = "\n".join(scene.stage.page(part) for part in PAGES)
    assert not [run_id for run_id in scene.told.stories if run_id in text]
    assert not [key for key in ("busy", "suspect", "closed", "parked") if f'{key}"' in text]


# --- counts ---------------------------------------------------------------------------------------


def test_the_counters_of_runs_say_exactly_what_happened(scene: Scene) -> None:
    expected = tally.of_stories(scene.told.stories.values())
    assert tally.differences(expected, tally.of_page(scene.stage.page("operator"))) == []


def test_every_other_number_is_what_was_made_to_happen(scene: Scene) -> None:
    numbers = scene.told.numbers

    def right() -> bool:
        shown = _shown(scene, numbers)
        assert tally.differences(numbers, {each: shown[each] for each in numbers}) == []
        return True

    wait_until(right, 20, "these numbers")


def test_processes_that_were_made_to_die_were_counted(scene: Scene) -> None:
    least = scene.told.at_least
    shown = _shown(scene, least)
    assert not [f"{each}: {shown[each]} < {by}" for each, by in least.items() if shown[each] < by]


def _shown(scene: Scene, numbers: Counter[Series]) -> Counter[Series]:
    """What all pages together say of metrics of these names."""
    found: Counter[Series] = Counter()
    for part in PAGES:
        found.update(tally.of_page(scene.stage.page(part), {name for name, _ in numbers}))
    return found


# --- dashboards -----------------------------------------------------------------------------------


@pytest.mark.parametrize("board", BOARDS)
def test_every_panel_answers_with_numbers(scene: Scene, prometheus: Prometheus, board: str) -> None:
    panels = _panels(board, scene)
    found = {query: prometheus.query(query.expression, scene.ended) for query in panels}
    assert [str(query) for query, samples in found.items() if not samples] == []
    assert [str(query) for query, samples in found.items() if not _finite(samples)] == []


@pytest.mark.parametrize("board", BOARDS)
def test_every_panel_that_counts_shows_what_happened(
    scene: Scene, parser: Prometheus, prometheus: Prometheus, board: str
) -> None:
    oracle = Oracle(_known(scene), NAMESPACE, scene.seconds, BEFORE)
    for query in _panels(board, scene):
        tree = syntax.parse(parser, query.expression)
        if not oracle.knows(tree):
            continue
        expected = oracle.answer(tree)
        shown = _vector(prometheus.query(query.expression, scene.ended))
        assert shown.keys() == expected.keys(), query
        assert shown == pytest.approx(expected, rel=TOLERANCE), query


@pytest.mark.parametrize("query", ANNOTATIONS, ids=str)
def test_an_annotation_has_something_to_mark(prometheus: Prometheus, query: Asked) -> None:
    assert prometheus.query(query.expression), query.expression


@pytest.mark.parametrize("variable", VARIABLES, ids=str)
def test_a_variable_offers_something(prometheus: Prometheus, variable: Asked) -> None:
    assert prometheus.label_values(variable.query.label, variable.expression)


def _panels(board: str, scene: Scene) -> list[Asked]:
    """Its queries over the time in which everything happened."""
    return [query for query in boards.asked("panel", scene.seconds) if query.board == board]


def _finite(samples: Sequence[Sample]) -> bool:
    return all(math.isfinite(sample.value) for sample in samples)


def _known(scene: Scene) -> Counter[Series]:
    """What happened to runs, and what the ledger counts besides."""
    names = {metric.name for metric in LEDGER}
    numbers = {each: value for each, value in scene.told.numbers.items() if each[0] in names}
    return tally.of_stories(scene.told.stories.values()) + Counter(numbers)


def _vector(samples: Sequence[Sample]) -> Vector:
    return {tuple(sorted(each.labels.items())): each.value for each in samples if each.value}


# --- rules ----------------------------------------------------------------------------------------


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    found = {rule["name"]: rule for rule in prometheus.rules()}
    assert found.keys() == {rule.name for rule in RULES}
    assert not [rule for rule in found.values() if rule["health"] != "ok"]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.records], ids=str)
def test_a_recording_rule_gives_numbers(prometheus: Prometheus, rule: Rule) -> None:
    if rule.name not in CONDITIONS:
        wait_until(lambda: prometheus.query(rule.name), 20, rule.expression)
    found = prometheus.query(rule.name)
    assert _finite(found), found


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_every_metric_label_and_value_that_is_asked_for_is_there(
    parser: Prometheus, prometheus: Prometheus, place: str
) -> None:
    series = cache(prometheus.series)
    missing = []
    for expression in EXPRESSIONS[place]:
        tree = syntax.parse(parser, expression)
        read = [_without_what_may_come(each) for each in syntax.selectors(tree)]
        read = [each for each in read if each.name not in CONDITIONS]
        named = [one for selector in read for one in (selector, *_named(selector))]
        missing += [f"{each}, in {expression}" for each in named if not series(str(each))]
        labels = {label for each in read for labels in series(str(each)) for label in labels}
        strange = syntax.labels_named(tree) - labels
        missing += [f"{strange}, in {expression}"] if strange and read else []
    assert not missing, "\n".join(missing)


def _named(selector: Selector) -> list[Selector]:
    """The selector once for each value that it names of a label."""
    return [
        Selector(selector.name, (Matcher(each.label, "=", value),))
        for each in selector.matchers
        for value in each.value.split("|")
        if value.replace("_", "").replace("-", "").isalnum()
    ]


def _without_what_may_come(selector: Selector) -> Selector:
    """The selector without what it says of such labels, which has to be possible."""
    kept = list(selector.matchers)
    for (metric, label), possible in MAY_COME.items():
        for each in selector.matchers:
            if metric in selector.name and each.label == label:
                values = each.value.split("|")
                assert all(re.fullmatch(possible, value) for value in values), selector
                kept.remove(each)
    return Selector(selector.name, tuple(kept))
