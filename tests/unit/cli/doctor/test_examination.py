"""An examination goes on whatever one of its parts does, and its exit code says the worst."""

import asyncio
import io
import json

import pytest

from singletrack.adapters.machine import Machine
from singletrack.adapters.redis_ledger.report import ServerReport
from singletrack.findings import error, info, warning
from singletrack.settings import Settings
from singletrack_cli.doctor import examination, reporting
from singletrack_cli.doctor.examination import Checked, Diagnosis, judged, observe_all
from singletrack_cli.doctor.facts import (
    CannotTell,
    Facts,
    NotAsked,
    SettingsRead,
    Target,
    Workers,
)
from singletrack_cli.doctor.observing import read_settings
from singletrack_cli.doctor.registry import CHECKS, OBSERVERS, Check, Observer

MACHINE = Machine(
    system="Linux",
    release="6.1",
    has_pidfd=True,
    has_subreaper=True,
    has_memory_events=True,
    process_limit=None,
    processes=None,
    open_files=4096,
)


def diagnosis(*findings):
    return Diagnosis(
        checked=(Checked(name="machine", summary="seen", findings=findings),), promises=("Much.",)
    )


async def observed(monkeypatch, look, seconds=5.0, out=None):
    monkeypatch.setattr(examination, "OBSERVERS", (Observer("machine", Machine, look),))
    facts = await observe_all(Target(seconds=seconds), Settings(), out or io.StringIO())
    return facts[Machine]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((), 0),
        ((info("a", "b"),), 0),
        ((info("a", "b"), warning("a", "b")), 1),
        ((error("a", "b"), warning("a", "b")), 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst_finding(findings, code):
    assert reporting.exit_code(diagnosis(*findings)) == code
    assert json.loads(reporting.as_json(diagnosis(*findings)))["exitCode"] == code


def test_a_check_without_a_finding_is_one_line():
    text = reporting.as_text(diagnosis(), coloured=False)
    assert text.splitlines()[0] == "ok       machine      seen"
    assert text.endswith("\nSound.\n")


def test_a_finding_is_a_sentence_and_its_remedy():
    lines = reporting.as_text(diagnosis(warning("it leaks.", "Mend it")), coloured=False)
    assert [line.strip() for line in lines.splitlines()[:3]] == [
        "warning  machine      seen",
        "warning: it leaks.",
        "→ Mend it",
    ]
    assert lines.endswith("\n1 warning.\n")


async def test_a_look_that_hangs_is_given_up(monkeypatch):
    async def hang(_target, _settings):
        await asyncio.Event().wait()

    reason = await observed(monkeypatch, hang, seconds=0.01)
    assert "took longer than 0.01 s" in reason.finding.problem
    assert "--timeout" in reason.finding.remedy


async def test_a_look_that_fails_is_told_and_ends_nothing(monkeypatch):
    async def fail(_target, _settings):
        raise ZeroDivisionError("oh")

    reason = await observed(monkeypatch, fail)
    assert "ZeroDivisionError: oh" in reason.finding.problem


async def test_slow_looks_are_told_while_they_last(monkeypatch):
    monkeypatch.setattr(examination, "_SLOW_SECONDS", 0.001)
    told = asyncio.Event()

    class Out(io.StringIO):
        def flush(self):
            told.set()

    async def slow(_target, _settings):
        await told.wait()
        return MACHINE

    out = Out()
    assert await observed(monkeypatch, slow, out=out) is MACHINE
    assert out.getvalue().startswith("still looking at: machine ")


def test_a_check_without_its_facts_says_why():
    check = Check("machine", lambda facts: (facts[Machine].release, iter(())))
    result = judged(check, Facts({Machine: CannotTell("it is dark")}))
    assert (result.status, result.summary) == ("unknown", "not checked: it is dark")


def test_why_something_could_not_be_looked_at_is_told_once():
    reason = CannotTell("it is dark", error("it is dark", "Switch on the light"))
    facts = Facts({Machine: reason})
    results = [
        judged(Check("a", lambda facts: (facts[Machine].release, ()), owns), facts)
        for owns in (Machine, None)
    ]
    assert [each.status for each in results] == ["error", "unknown"]


def test_what_nobody_asked_for_is_one_line():
    facts = Facts({Machine: NotAsked("not asked for")})
    results = [
        judged(Check("a", lambda facts: (facts[Machine].release, ()), owns), facts)
        for owns in (Machine, None)
    ]
    assert results[0].status == "unknown"
    assert results[1] is None


def test_each_look_that_fails_is_a_finding_of_exactly_one_check():
    for observer in OBSERVERS:
        reason = CannotTell("it is dark", error("it is dark", "Switch on the light"))
        facts = Facts(
            {each.kind: CannotTell("not looked at") for each in OBSERVERS if each is not observer}
            | {observer.kind: reason, SettingsRead: read_settings()}
        )
        told = [each for check in CHECKS if (each := judged(check, facts)) and each.findings]
        # A check that asks for several facts stops at the first that is missing.
        assert len(told) == (0 if observer.kind is Workers else 1), observer.name


def test_workers_that_could_not_be_asked_are_an_error_of_their_check():
    reason = CannotTell("it hangs", error("it hangs", "Try again"))
    facts = Facts({ServerReport: object(), Workers: reason, SettingsRead: read_settings()})
    [check] = (check for check in CHECKS if check.name == "workers")
    assert judged(check, facts).status == "error"


def test_every_check_has_a_name_of_its_own():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
