"""Counters: they agree with what happened, because they are counted where it happens."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import LIVE, TERMINAL, VIEWS, State
from singletrack.metrics.declarations import LABEL_CAPS
from singletrack.policies import Policy
from singletrack.retries import RetryCause
from singletrack.run import Door

#: Not counted: they say what is there now.
READ_OFF = {"ledger_blessed", "runs_kept", "runs_unprojected", "longest_running_seconds"}


def counters(ledger: LedgerUnderTest) -> dict[str, float]:
    """What was counted, without the zeros."""
    found = ledger.execute(ops.ReadCounters())
    return {
        name: value
        for name, value in found.items()
        if value and name.partition("|")[0] not in READ_OFF
    }


def observed(found: Mapping[str, float], histogram: str, **labels: str) -> float:
    """How many values a histogram has seen."""
    wanted = {f"{name}={value}" for name, value in labels.items()}
    return sum(
        number
        for field, number in found.items()
        if field.startswith(f"{histogram}_bucket|") and wanted <= set(field.split("|"))
    )


def finished(task: str, outcome: str) -> str:
    return f"runs_finished_total|task={task}|outcome={outcome}"


def register(ledger: LedgerUnderTest, *tasks: str, queues: tuple[str, ...] = ()) -> None:
    ledger.execute(ops.RegisterTasks(entries=dict.fromkeys(tasks, "{}"), queues=queues))


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


def test_a_task_has_its_series_a_queue_every_state_and_pauses_are_0_from_the_start(
    ledger: LedgerUnderTest,
) -> None:
    register(ledger, "report", queues=("slow",))
    outcomes = {VIEWS[state].outcome for state in TERMINAL}
    found = ledger.execute(ops.ReadCounters())
    assert {name: number for name, number in found.items() if name not in READ_OFF} == {
        **{finished("report", str(outcome)): 0 for outcome in outcomes},
        **{f"runs_submitted_total|task=report|door={door}": 0 for door in Door},
        **{f"retries_total|task=report|cause={cause}": 0 for cause in (*RetryCause, "Requested")},
        **{f"runs|queue=slow|state={state}": 0 for state in LIVE},
        "longest_running_seconds|queue=slow": 0,
        **{f"paused|kind={kind}": 0 for kind in ("lock", "queue")},
        "run_wait_seconds_bucket|task=report|le=+Inf": 0,
        "run_duration_seconds_bucket|task=report|result=ok|le=+Inf": 0,
        "run_duration_seconds_bucket|task=report|result=error|le=+Inf": 0,
        **{f"label_values_refused_total|label={kind}": 0 for kind in LABEL_CAPS},
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
        "runs|queue=other|state=RUNNING": 1,
        "runs|queue=other|state=CLAIMED": 1,
        "runs|queue=other|state=READY": 1,
        "runs|queue=other|state=QUEUED": 2,
    }


def test_the_gauge_survives_a_reassertion(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.submit("b")
    ledger.reassert(grant)
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {"runs|queue=other|state=RUNNING": 1, "runs|queue=other|state=QUEUED": 1}
    ledger.finish(grant)
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {"runs|queue=other|state=READY": 1}


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
    assert observed(found, "run_wait_seconds", task="report") == 2
    assert observed(found, "run_duration_seconds", task="report", result="ok") == 1
    assert observed(found, "run_duration_seconds", task="report", result="error") == 1
    assert 0 <= found.get("run_wait_seconds_sum|task=report", 0) < 60


def test_the_attempt_that_did_not_start_was_no_execution(ledger: LedgerUnderTest) -> None:
    ledger.not_started(ledger.running("a"))
    found = counters(ledger)
    assert not any(name.startswith("run_duration_seconds") for name in found)


def test_a_run_that_was_handed_back_before_its_code_has_waited_once(
    ledger: LedgerUnderTest,
) -> None:
    register(ledger, "report")
    ledger.not_started(ledger.running("a"))
    ledger.begin(ledger.claim("a"))
    assert observed(counters(ledger), "run_wait_seconds", task="report") == 1


def test_a_run_is_counted_to_its_end_as_it_was_when_it_was_submitted(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    register(ledger, "report", queues=(ledger.queue,))
    ledger.finish(grant)
    found = counters(ledger)
    assert found["runs_submitted_total|task=other|door=producer"] == 1
    assert found[finished("other", "succeeded")] == 1
    assert finished("report", "succeeded") not in found


def test_runs_are_counted_by_the_queues_that_workers_take_messages_from(
    ledger: LedgerUnderTest,
) -> None:
    register(ledger, queues=(ledger.queue,))
    ledger.submit("a")
    ledger.submit("b")
    ledger.running("c", lock="default/other")
    ledger.submit("d", lock="default/third", queue="nobody's")
    alive = {name: n for name, n in counters(ledger).items() if name.startswith("runs|")}
    assert alive == {
        f"runs|queue={ledger.queue}|state=READY": 1,
        f"runs|queue={ledger.queue}|state=QUEUED": 1,
        f"runs|queue={ledger.queue}|state=RUNNING": 1,
        "runs|queue=other|state=READY": 1,
    }


def test_only_so_many_names_become_labels(ledger: LedgerUnderTest) -> None:
    cap = LABEL_CAPS["task"]
    register(ledger, *(f"task-{number}" for number in range(cap + 3)))
    register(ledger, f"task-{cap}", "task-0")
    for number in (0, cap - 1, cap, cap + 2):
        ledger.submit(f"run-{number}", lock=f"default/{number}", task=f"task-{number}")
    found = counters(ledger)
    submitted = {name: n for name, n in found.items() if name.startswith("runs_submitted_total")}
    assert submitted == {
        "runs_submitted_total|task=task-0|door=producer": 1,
        f"runs_submitted_total|task=task-{cap - 1}|door=producer": 1,
        "runs_submitted_total|task=other|door=producer": 2,
    }
    assert found["label_values_refused_total|label=task"] == 4


def test_failures_are_counted_by_the_reason_they_give(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a"), "TaskError")
    ledger.fail(ledger.running("b"), "SomethingNobodyHasHeardOf")
    ledger.child_gone(ledger.running("c"), ops.Cause.OUT_OF_MEMORY)
    ledger.finished("d")
    ledger.submit("e")
    ledger.cancel("e")
    failures = {n: c for n, c in counters(ledger).items() if n.startswith("run_failures_total")}
    assert failures == {
        "run_failures_total|task=other|reason=TaskError": 1,
        "run_failures_total|task=other|reason=other": 1,
        "run_failures_total|task=other|reason=OOMKilled": 1,
    }


def test_what_is_kept_and_what_no_taskrun_shows_yet_is_told(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    ledger.submit("b", name="b")
    found = ledger.execute(ops.ReadCounters())
    assert {name: found[name] for name in READ_OFF if name in found} == {
        "ledger_blessed": 1,
        "runs_kept": 1,
        "runs_unprojected": 1,
    }
    assert "longest_running_seconds|queue=other" not in found
    ledger.running("c", lock="default/other")
    assert 0 <= ledger.execute(ops.ReadCounters())["longest_running_seconds|queue=other"] < 60
    ledger.restart()
    assert ledger.execute(ops.ReadCounters())["ledger_blessed"] == 0
