"""Whoever writes a line of the log names a declared event, and the declarations hold."""

from __future__ import annotations

import re

import pytest
from support.log_calls import found, offences_of, read_calls

from singletrack.logs.events import BOUND, EVENTS, FIELDS, SECTIONS

DECLARED = [event for section in SECTIONS for event in section.events]

MODULE = "import structlog\n\nlog = structlog.get_logger()\n\n\ndef f(x):\n    "


def offences(statement: str) -> list[str]:
    calls, wrong = read_calls("m.py", MODULE + statement + "\n")
    return [*wrong, *(offence for call in calls for offence in offences_of(call, EVENTS))]


def test_every_log_call_names_a_declared_event_with_its_level_and_its_fields() -> None:
    assert len(found()[0]) > 90
    assert [offence for call in found()[0] for offence in offences_of(call, EVENTS)] == []


def test_loggers_are_used_for_log_calls_alone() -> None:
    assert found()[1] == ()


def test_every_declared_event_is_written_somewhere_with_each_of_its_fields() -> None:
    written: dict[str, set[str]] = {}
    for call in found()[0]:
        written.setdefault(call.event, set()).update(call.fields)
    assert set(EVENTS) - set(written) == set()
    idle = {event.name: set(event.fields) - written[event.name] for event in DECLARED}
    assert {name: fields for name, fields in idle.items() if fields} == {}


def test_an_event_is_declared_once_by_a_name_in_snake_case_and_a_sentence() -> None:
    assert len(DECLARED) == len(EVENTS)
    for event in DECLARED:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", event.name), event.name
        assert event.meaning[0].isupper(), event.name
        assert event.meaning.endswith("."), event.name
        assert len(set(event.fields)) == len(event.fields), event.name


def test_every_field_has_one_meaning_and_is_used() -> None:
    assert {field for event in DECLARED for field in event.fields} == set(FIELDS)


def test_of_which_run_a_line_is_is_bound_and_never_passed() -> None:
    assert set(FIELDS) & set(BOUND) == set()
    assert [call.where for call in found()[0] if call.fields & set(BOUND)] == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('log.info("run_begun")', "run_begun is not declared"),
        ('log.debug("run_finished", state=x)', "declared as info, not debug"),
        ('log.exception("run_finished", state=x)', "declared as info, not error"),
        ('log.info("run_finished", parameters=x)', "declared without parameters"),
        ('log.info("run_finished", run=x)', "declared without run"),
        ("log.info(x)", "names no event by a literal"),
        ('log.info(f"run_{x}")', "names no event by a literal"),
        ('log.info("run_finished", x)', "says more than its fields"),
        ('log.info("run_finished", **x)', "fields that are not written out"),
        ('log.critical("run_finished")', "has no level 'critical'"),
        ('log.bind(a=x).info("run_finished")', "has no level 'bind'"),
        ('(log.info if x else log.debug)("run_finished")', "something else than a call"),
        ('say = log; say.info("anything")', "something else than a call"),
        ('structlog.get_logger().info("anything")', "makes a logger in another way"),
        ('logging.getLogger(__name__).info("anything")', "makes a logger in another way"),
    ],
)
def test_a_call_that_is_not_as_declared_is_caught(statement: str, said: str) -> None:
    assert said in "\n".join(offences(statement))


def test_a_call_as_declared_is_fine() -> None:
    assert offences('log.info("run_finished", state=x, verdict=x)') == []
