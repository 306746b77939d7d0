"""How the agent ends runs: cancelled, out of time, out of their lease."""

from __future__ import annotations

import os
import signal

from integration.worker.agent.file_ledger import boottime
from integration.worker.agent.harness import FENCE, LEASE, Worker, alive
from support.waiting import wait_until


def test_a_cancelled_run_may_clean_up_and_ends_by_itself(worker: Worker):
    run, _ = worker.started("hang", keep=True)
    worker.control(cancel={run: 20.0})
    worker.event("stopped")
    assert worker.event("clear")["cause"] == "CANCELLED"
    worker.renewed(run, after=boottime())
    assert not worker.operations("ChildGone")


def test_a_cancelled_run_that_ignores_sigterm_is_killed_after_its_grace(worker: Worker):
    run, pid = worker.started("ignore_sigterm")
    worker.event("deaf")
    cancelled_at = boottime()
    worker.control(cancel={run: 0.3})
    report = worker.operation("ChildGone", run_id=run)
    assert report["cause"] == "CANCELLED"
    assert report["alive"] == []
    assert 0.3 <= report["at"] - cancelled_at < 2.0
    assert not alive(pid)


def test_a_cancel_without_grace_kills_at_once(worker: Worker):
    run, _ = worker.started("work_with_family")
    worker.event("family")
    worker.control(cancel={run: 0.0})
    report = worker.operation("ChildGone", run_id=run)
    assert report["cause"] == "CANCELLED"
    assert report["alive"] == []
    assert not worker.events("stopped")


def test_a_harder_cancel_of_a_run_that_is_being_stopped_kills_at_once(worker: Worker):
    run, pid = worker.started("ignore_sigterm")
    worker.event("deaf")
    worker.control(cancel={run: 60.0})
    worker.renewed(run, after=boottime())
    assert alive(pid)
    forced_at = boottime()
    worker.control(cancel={run: 0.0})
    worker.wake(run)
    report = worker.operation("ChildGone", run_id=run)
    assert (report["cause"], report["alive"]) == ("CANCELLED", [])
    assert report["at"] - forced_at < 2.0
    assert not alive(pid)


def test_a_wakeup_delivers_a_cancel_before_the_next_renewal_is_due(worker: Worker):
    run, _ = worker.started("hang")
    after = worker.renewed(run)["at"]
    worker.control(cancel={run: 20.0})
    worker.wake(run)
    worker.event("stopped")
    assert worker.renewed(run, after=after)["at"] - after < 0.3


def test_a_run_is_stopped_when_its_time_is_over_and_killed_after_a_short_grace(worker: Worker):
    run, _ = worker.started("ignore_sigterm", timeout=0.5)
    started_at = worker.event("started")["at"]
    report = worker.operation("ChildGone", run_id=run)
    assert report["cause"] == "TIMED_OUT"
    assert report["at"] - started_at >= 0.5
    assert report["alive"] == []


def test_a_run_that_is_out_of_time_and_returns_is_told_why(worker: Worker):
    worker.started("hang", timeout=0.2)
    worker.event("stopped")
    assert worker.event("clear")["cause"] == "TIMED_OUT"


def test_a_lease_that_is_lost_ends_the_run(worker: Worker):
    run, pid = worker.started("hang")
    worker.control(drop=[run])
    assert worker.operation("ChildGone", run_id=run)["cause"] == "FENCED"
    assert not alive(pid)


def test_a_restarted_server_that_has_lost_the_record_does_not_kill_before_the_deadline(
    worker: Worker,
):
    run, _ = worker.started("hang")
    worker.control(drop=[run], blessed=False)
    report = worker.operation("ChildGone", run_id=run)
    lost_at = min(
        (r["asked"] for r in worker.operations("Renew") if run in dict(r["leases"])),
    )
    assert report["cause"] == "FENCED"
    assert report["at"] - lost_at > LEASE - FENCE - 0.5


def test_a_run_is_killed_at_its_deadline_though_the_ledger_hangs(worker: Worker):
    run, pid = worker.started("work_with_family")
    worker.event("family")
    worker.renewed(run)
    worker.control(mode="hang")
    last = worker.operations("Renew")[-1]["asked"]
    wait_until(lambda: not alive(pid), what="the child is dead")
    assert boottime() < last + LEASE
    wait_until(lambda: not any(map(alive, worker.relatives())))
    worker.control(mode="ok")
    report = worker.operation("ChildGone", run_id=run)
    assert report["cause"] == "FENCED"
    assert report["at"] > last + LEASE - FENCE


def test_an_outage_shorter_than_the_lease_ends_nothing(worker: Worker):
    run, pid = worker.started("hang")
    worker.renewed(run)
    worker.control(mode="unavailable")
    failed = len(worker.operations("Renew"))
    wait_until(lambda: len(worker.operations("Renew")) >= failed + 2)
    worker.control(mode="ok")
    worker.renewed(run, after=boottime())
    assert alive(pid)


def test_an_agent_that_was_frozen_for_longer_than_the_lease_kills_before_anything_else(
    worker: Worker,
):
    run, pid = worker.started("hang")
    frozen_at = worker.renewed(run)["at"]
    os.kill(worker.agent, signal.SIGSTOP)
    wait_until(lambda: boottime() > frozen_at + LEASE)
    worker.control(cancel={run: 20.0})  # what it would hear if it asked first
    assert alive(pid)
    woken_at = boottime()
    os.kill(worker.agent, signal.SIGCONT)
    wait_until(lambda: not alive(pid))
    assert boottime() - woken_at < 0.5
    assert worker.operation("ChildGone", run_id=run)["cause"] == "FENCED"


def test_a_claim_that_is_older_than_its_lease_is_not_bound(worker: Worker):
    worker.start(worker.job("hang", age=LEASE))
    assert not worker.event("bound")["bound"]


def test_a_lease_is_not_renewed_before_the_ledger_has_answered_the_child(worker: Worker):
    job = worker.job("never_start")
    worker.start(job)
    report = worker.operation("ChildGone", run_id=job["run"])
    assert report["cause"] == "FENCED"
    assert report["alive"] == []
    assert not any(job["run"] in dict(r["leases"]) for r in worker.operations("Renew"))


def test_what_a_task_leaves_behind_is_dead_before_its_end_is_recorded(worker: Worker):
    worker.start(worker.job("family"), worker.job("nothing"))
    worker.event("left", run="run-2")
    clear = worker.event("clear", run="run-1")
    assert len(worker.relatives()) == 3
    assert not any(map(alive, worker.relatives()))
    assert clear["children"] == []  # reaped as well
    assert alive(clear["pid"])
    assert not worker.operations("ChildGone")
