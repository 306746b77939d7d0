"""Counters: they agree with what happened, because they are counted where it happens."""

from __future__ import annotations

from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.policies import Policy
from singletrack.run import Door


def counters(ledger: LedgerUnderTest) -> dict[str, float]:
    """Without the zeros."""
    return {name: value for name, value in ledger.execute(ops.ReadCounters()).items() if value}


def finished(task: str, outcome: str) -> str:
    return f"runs_finished_total|task={task}|outcome={outcome}"


def register(ledger: LedgerUnderTest, *tasks: str) -> None:
    ledger.execute(ops.RegisterTasks(entries=dict.fromkeys(tasks, "{}")))


def test_a_fresh_ledger_has_counted_nothing(ledger: LedgerUnderTest) -> None:
    assert counters(ledger) == {}


def test_submissions_are_counted_by_task_and_door_once_each(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    ledger.submit("a", door=Door.REST)
    ledger.submit("a", door=Door.REST)
    ledger.submit("b", door=Door.KUBECTL)
    ledger.submit("c", door=Door.KUBECTL, policy=Policy.REJECT)
    found = counters(ledger)
    assert found["runs_submitted_total|task=report|door=rest"] == 1
    assert found["runs_submitted_total|task=report|door=kubectl"] == 2


def test_tasks_nobody_has_registered_are_counted_as_other(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", task="whatever a client may send")
    found = counters(ledger)
    assert found["runs_submitted_total|task=other|door=producer"] == 1
    assert found[finished("other", "succeeded")] == 1
    assert not any("whatever" in name for name in found)


def test_a_registered_task_has_every_outcome_from_the_start(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    outcomes = {VIEWS[state].outcome for state in TERMINAL}
    found = ledger.execute(ops.ReadCounters())
    assert {name: found.get(name) for name in found} == {
        finished("report", str(outcome)): 0 for outcome in outcomes
    }


def test_registering_again_does_not_reset_anything(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    ledger.finished("a")
    register(ledger, "report")
    assert counters(ledger)[finished("report", "succeeded")] == 1


def test_ends_are_counted_by_task_and_outcome(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    ledger.finished("a")
    ledger.finished("b")
    ledger.finish(ledger.running("c"), State.FAILED)
    ledger.submit("d")
    ledger.submit("e", policy=Policy.REJECT)
    ledger.submit("f")
    ledger.cancel("f")
    ledger.submit("g", policy=Policy.REPLACE, start_deadline_seconds=0.0)
    ledger.execute(ops.ExpireWait(run_id="g"))
    ledger.expire(ledger.running("h"))
    found = counters(ledger)
    ends = {name: count for name, count in found.items() if name.startswith("runs_finished_total")}
    assert ends == {
        finished("report", "succeeded"): 2,
        finished("report", "failed"): 1,
        finished("report", "rejected"): 1,
        finished("report", "cancelled"): 1,
        finished("report", "superseded"): 1,
        finished("report", "expired"): 1,
        finished("report", "lost"): 1,
    }


def test_the_gauge_follows_the_states_of_living_runs(ledger: LedgerUnderTest) -> None:
    ledger.finished("done", lock="default/0")
    ledger.running("a", lock="default/1")
    ledger.claimed("b", lock="default/2")
    ledger.submit("c", lock="default/3")
    ledger.submit("d", lock="default/3")
    ledger.submit("e", lock="default/3")
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {
        "runs|state=RUNNING": 1,
        "runs|state=CLAIMED": 1,
        "runs|state=READY": 1,
        "runs|state=QUEUED": 2,
    }


def test_the_gauge_survives_a_reassertion(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.submit("b")
    ledger.reassert(grant)
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {"runs|state=RUNNING": 1, "runs|state=QUEUED": 1}
    ledger.finish(grant)
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {"runs|state=READY": 1}


def test_messages_that_came_twice_are_counted(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    ledger.execute(ops.Claim(run_id="a", nonce=grant.nonce, worker="w"))
    assert "claims_refused_total" not in counters(ledger)
    ledger.execute(ops.Claim(run_id="a", nonce="another", worker="w"))
    ledger.execute(ops.Claim(run_id="nobody", nonce="n", worker="w"))
    ledger.restart()
    ledger.execute(ops.Claim(run_id="a", nonce="another", worker="w"))
    assert counters(ledger)["claims_refused_total"] == 1


def test_leases_that_ended_without_a_word_are_counted(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    ledger.expire(grant, lease_seq=99)
    assert "leases_expired_total" not in counters(ledger)
    ledger.expire(grant)
    ledger.expire(ledger.running("b", lock="default/other"))
    assert counters(ledger)["leases_expired_total"] == 2


def test_waits_and_durations_are_observed(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    ledger.finished("a")
    ledger.finish(ledger.running("b"), State.FAILED)
    ledger.submit("c")
    ledger.cancel("c")
    found = ledger.execute(ops.ReadCounters())
    assert found["run_wait_seconds_count|task=report"] == 2
    assert found["run_duration_seconds_count|task=report|result=ok"] == 1
    assert found["run_duration_seconds_count|task=report|result=error"] == 1
    buckets = [n for name, n in found.items() if name.startswith("run_wait_seconds_bucket|")]
    assert sum(buckets) == 2
    assert 0 <= found["run_wait_seconds_sum|task=report"] < 60


def test_the_attempt_that_did_not_start_was_no_execution(ledger: LedgerUnderTest) -> None:
    ledger.not_started(ledger.running("a"))
    found = counters(ledger)
    assert not any(name.startswith("run_duration_seconds") for name in found)
