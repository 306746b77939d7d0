"""Listing and forgetting: pages of a namespace, records until their time is over, the catalogue."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.run import Door, Failure, Outcome, Run


def page(ledger: LedgerUnderTest, **changes: int) -> tuple[Run, ...]:
    return ledger.execute(ops.ListRuns(namespace="default", **changes))


def ids(runs: tuple[Run, ...]) -> list[str]:
    return [run.run_id for run in runs]


def test_the_runs_of_a_namespace_are_listed_newest_first(ledger: LedgerUnderTest) -> None:
    for run_id in ("b", "a", "c"):
        ledger.submit(run_id)
    ledger.submit("elsewhere", namespace="team")
    assert ids(page(ledger)) == ["c", "a", "b"]
    assert ids(ledger.execute(ops.ListRuns(namespace="team"))) == ["elsewhere"]
    assert ledger.execute(ops.ListRuns(namespace="empty")) == ()


def test_a_listing_is_read_page_by_page(ledger: LedgerUnderTest) -> None:
    for number in range(5):
        ledger.submit(f"run-{number}")
    first = page(ledger, limit=2)
    second = page(ledger, limit=2, before=first[-1].sequence)
    third = page(ledger, limit=2, before=second[-1].sequence)
    assert ids(first + second + third) == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert page(ledger, before=third[-1].sequence) == ()


def test_a_listing_tells_everything_but_the_large_texts(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", args=(1,), kwargs={"x": 2}, name="monthly", priority=3)
    failure = Failure(reason="TaskError", message="no", error_type="E", traceback="long")
    outcome = Outcome(state=State.FAILED, result="1", failure=failure)
    ledger.execute(ops.Finish(run_id="a", nonce=grant.nonce, outcome=outcome))
    full, listed = ledger.run("a"), page(ledger)[0]
    assert (listed.spec.args, listed.spec.kwargs, listed.spec.envelope) == ((), {}, "")
    assert listed.result is None
    assert listed.failure == Failure(reason="TaskError", message="no", error_type="E")
    assert (listed.spec.name, listed.spec.priority) == ("monthly", 3)
    for field in ("state", "revision", "sequence", "attempt", "token", "finished_at"):
        assert getattr(listed, field) == getattr(full, field)


# --- forgetting -----------------------------------------------------------------------------------


def forget(ledger: LedgerUnderTest, run_id: str) -> bool:
    return ledger.execute(ops.Forget(run_id=run_id))


def test_a_terminal_run_whose_time_is_over_is_forgotten(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=0.0, name="monthly", door=Door.REST)
    assert ledger.execute(ops.ListForgettable()) == ("a",)
    ledger.execute(ops.AckProjection(run_id="a", revision=ledger.run("a").revision))
    assert forget(ledger, "a")
    assert ledger.execute(ops.GetRun(run_id="a")) is None
    assert page(ledger) == ()
    assert ledger.execute(ops.ListForgettable()) == ()
    assert ledger.execute(ops.ListUnprojected()) == ()
    assert ledger.execute(ops.LatestRun(namespace="default")) is None


def test_a_run_whose_task_run_does_not_show_its_end_is_not_forgotten(
    ledger: LedgerUnderTest,
) -> None:
    ledger.finished("a", ttl_seconds=0.0, name="monthly")
    assert not forget(ledger, "a")
    assert ledger.state("a") is State.SUCCEEDED
    assert ledger.execute(ops.ListForgettable()) == ()


def test_forgetting_twice_does_nothing_the_second_time(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=0.0)
    forget(ledger, "a")
    assert not forget(ledger, "a")


def test_a_terminal_run_is_kept_for_its_time(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=3600.0)
    assert ledger.execute(ops.ListForgettable()) == ()
    assert not forget(ledger, "a")
    assert ledger.state("a") is State.SUCCEEDED


@pytest.mark.parametrize("state", [State.READY, State.CLAIMED, State.RUNNING])
def test_a_run_that_is_alive_is_never_forgotten(ledger: LedgerUnderTest, state: State) -> None:
    if state is State.READY:
        ledger.submit("a", ttl_seconds=0.0)
    elif state is State.CLAIMED:
        ledger.claimed("a", ttl_seconds=0.0)
    else:
        ledger.running("a", ttl_seconds=0.0)
    assert ledger.execute(ops.ListForgettable()) == ()
    assert not forget(ledger, "a")
    assert ledger.state("a") is state


def test_a_forgotten_id_may_be_used_again(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=0.0)
    forget(ledger, "a")
    reply = ledger.submit("a", task="another")
    assert (reply.state, reply.created) == (State.READY, True)


def test_forgetting_an_older_run_keeps_the_latest(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=0.0, door=Door.REST)
    ledger.submit("b", door=Door.REST)
    forget(ledger, "a")
    assert ledger.execute(ops.LatestRun(namespace="default")) == "b"


def test_forgettable_runs_are_listed_no_more_than_asked(ledger: LedgerUnderTest) -> None:
    for run_id in "abc":
        ledger.finished(run_id, ttl_seconds=0.0)
    assert ledger.execute(ops.ListForgettable(limit=2)) == ("a", "b")


def test_every_namespace_with_records_is_listed(ledger: LedgerUnderTest) -> None:
    assert ledger.execute(ops.ListNamespaces()) == ()
    ledger.submit("a", namespace="one", lock="one/x")
    ledger.submit("b", namespace="two", lock="two/x")
    ledger.finished("c", namespace="three", lock="three/x", ttl_seconds=0.0)
    assert set(ledger.execute(ops.ListNamespaces())) == {"one", "two", "three"}
    forget(ledger, "c")
    assert set(ledger.execute(ops.ListNamespaces())) == {"one", "two"}


# --- the catalogue --------------------------------------------------------------------------------


def test_the_catalogue_starts_empty(ledger: LedgerUnderTest) -> None:
    assert ledger.execute(ops.ListTasks()) == {}


def test_tasks_of_several_workers_add_up_and_the_last_word_counts(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}", "clean": "{}"}))
    ledger.execute(ops.RegisterTasks(entries={"report": '{"timeout": 1}', "send": "{}"}))
    ledger.execute(ops.RegisterTasks())
    assert ledger.execute(ops.ListTasks()) == {
        "report": '{"timeout": 1}',
        "clean": "{}",
        "send": "{}",
    }


# --- the server -----------------------------------------------------------------------------------


def test_a_server_says_what_it_is(ledger: LedgerUnderTest) -> None:
    server = ledger.execute(ops.ReadServer())
    assert server.server_id
    assert server.version
    assert server.eviction_policy == "noeviction"
    assert (server.aof_enabled, server.fsync, server.replicas) == (True, "always", 0)
    assert server.micros > 1_700_000_000_000_000
