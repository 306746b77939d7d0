"""What the agent does when a process has died by itself or was killed by somebody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from integration.worker.agent.file_ledger import boottime
from integration.worker.agent.harness import LEASE, Worker, alive
from support.waiting import wait_until

from singletrack_worker.agent import processes


def test_a_killed_child_is_reported_within_a_second_and_after_all_its_descendants(worker: Worker):
    run, pid = worker.started("work_with_family")
    worker.event("family")
    assert len(worker.relatives()) == 3
    assert all(map(alive, worker.relatives()))
    killed_at = boottime()
    os.kill(pid, signal.SIGKILL)
    report = worker.operation("ChildGone", run_id=run)
    assert report["alive"] == []
    assert report["at"] - killed_at < 1.0
    assert report["cause"] == "DIED"


def test_the_report_says_by_which_signal_a_child_was_killed(worker: Worker):
    run, pid = worker.started("hang", reap=False)
    os.kill(pid, signal.SIGSEGV)
    report = worker.operation("ChildGone", run_id=run)
    assert report["message"] == "killed by SIGSEGV"


def test_the_report_says_with_which_code_a_child_ended(worker: Worker):
    run, _ = worker.started("end_the_process", reap=False)
    assert worker.operation("ChildGone", run_id=run)["message"] == "exit code 3"


def test_the_report_says_what_main_knows_when_the_kernel_does_not_any_more(worker: Worker):
    run, pid = worker.started("hang")
    os.kill(worker.agent, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    worker.event("reaped", child=pid)
    os.kill(worker.agent, signal.SIGCONT)
    assert worker.operation("ChildGone", run_id=run)["message"] == "killed by SIGKILL"


def test_a_child_that_dies_while_it_starts_a_run_is_reported_to_the_ledger_that_knows(
    worker: Worker,
):
    job = worker.job("never_start")
    worker.start(job)
    os.kill(worker.event("bound")["pid"], signal.SIGKILL)
    report = worker.operation("ChildGone", run_id=job["run"])
    assert report["cause"] == "DIED"
    assert report["alive"] == []


def test_a_child_that_dies_without_a_run_is_no_event(worker: Worker):
    worker.start()
    os.kill(worker.event("child")["pid"], signal.SIGKILL)
    worker.event("reaped")
    run, pid = worker.started("hang")
    os.kill(pid, signal.SIGKILL)
    worker.operation("ChildGone", run_id=run)
    assert len(worker.operations("ChildGone")) == 1


def test_the_death_of_one_child_leaves_the_runs_of_others_alone(worker: Worker):
    other, other_pid = worker.started("work_with_family")
    worker.event("family", pid=other_pid)
    others = worker.relatives()
    run, pid = worker.started("work_with_family")
    worker.event("family", pid=pid)
    os.kill(pid, signal.SIGKILL)
    report = worker.operation("ChildGone", run_id=run)
    assert sorted(report["alive"]) == sorted([other_pid, *others])
    worker.renewed(other, after=report["at"])


def test_main_reaps_the_dead_it_has_adopted(start_worker: Callable[..., Worker]):
    worker = start_worker(guarded=True)
    run, pid = worker.started("work_with_family")
    worker.event("family")
    os.kill(pid, signal.SIGKILL)
    worker.operation("ChildGone", run_id=run)
    wait_until(lambda: processes.children_of(worker.process.pid) == [worker.agent])


def test_a_child_that_forks_as_fast_as_it_can_is_killed_completely(worker: Worker):
    run, pid = worker.started("bomb")
    wait_until(lambda: len(worker.relatives()) > 50)
    os.kill(pid, signal.SIGKILL)
    report = worker.operation("ChildGone", run_id=run)
    assert report["alive"] == []
    assert not any(map(alive, worker.relatives()))


def test_when_main_is_killed_nothing_of_it_stays_and_every_run_is_reported(worker: Worker):
    first, _ = worker.started("work_with_family")
    second, _ = worker.started("ignore_sigterm")
    third = worker.job("never_start")
    worker.start(third)
    worker.event("family")
    worker.event("deaf")
    worker.event("bound", run=third["run"])
    worker.renewed(first)
    os.kill(worker.process.pid, signal.SIGKILL)
    for run in (first, second, third["run"]):
        report = worker.operation("ChildGone", run_id=run)
        assert report["cause"] == "DIED"
        assert report["message"] == "the worker's main process died"
        assert report["alive"] == []
    worker.operation("AgentGone")
    wait_until(lambda: not alive(worker.agent))
    assert not any(map(alive, worker.relatives()))


def test_a_daemon_started_just_before_main_is_killed_does_not_escape(worker: Worker):
    worker.started("family")
    worker.event("family")  # within a second: the agent has not looked at the tree yet
    os.kill(worker.process.pid, signal.SIGKILL)
    wait_until(lambda: not alive(worker.agent))
    assert len(worker.relatives()) == 3
    assert not any(map(alive, worker.relatives()))


def test_an_agent_without_main_and_without_a_ledger_gives_up_after_two_leases(worker: Worker):
    worker.started("hang")
    worker.control(mode="unavailable")
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.operation("ChildGone")
    wait_until(lambda: not alive(worker.agent), timeout=2 * LEASE + 5)


def test_a_worker_that_stops_lets_its_agent_end(worker: Worker):
    worker.start(worker.job("nothing"))
    worker.event("left")
    worker.send("stop")
    assert worker.event("agent_stopped")["code"] == 0
    assert not worker.path.parent.exists()
    assert worker.operations("Renew")[-1]["at"] < worker.operation("AgentGone")["at"]


def test_an_agent_that_dies_is_noticed_by_main_at_once(start_worker: Callable[..., Worker]):
    worker = start_worker(guarded=True)
    worker.started("work_with_family")
    worker.event("family")
    os.kill(worker.agent, signal.SIGKILL)
    assert worker.event("agent_died")["complete"]
    assert not worker.path.parent.exists()
    assert not any(map(alive, worker.relatives()))


def test_main_gives_up_an_agent_that_hangs_before_the_lease_ends(
    start_worker: Callable[..., Worker],
):
    worker = start_worker(guarded=True)
    run, pid = worker.started("hang")
    renewed_at = worker.renewed(run)["asked"]
    os.kill(worker.agent, signal.SIGSTOP)
    died = worker.event("agent_died")
    last = max((r["asked"] for r in worker.operations("Renew")), default=renewed_at)
    assert died["at"] < last + LEASE
    assert not alive(worker.agent)
    assert not alive(pid)


def test_the_terminal_does_not_end_the_agent(worker: Worker):
    run, _ = worker.started("hang")
    os.kill(worker.agent, signal.SIGINT)
    os.kill(worker.agent, signal.SIGTERM)
    worker.renewed(run, after=boottime())


def test_a_process_of_a_run_cannot_speak_for_its_child(worker: Worker):
    run, pid = worker.started("meddle")
    answers = worker.event("meddled")["answers"]
    assert all("refused" in str(answer) or answer is False for answer in answers)
    worker.renewed(run, after=boottime())
    assert alive(pid)


def test_everybody_frozen_and_woken_again_is_ended_by_the_agent(worker: Worker):
    run, pid = worker.started("hang")
    frozen_at = worker.renewed(run)["at"]
    everybody = (worker.process.pid, worker.agent, pid)
    for each in everybody:
        os.kill(each, signal.SIGSTOP)
    wait_until(lambda: boottime() > frozen_at + LEASE)
    for each in everybody:
        with suppress(ProcessLookupError):  # the agent may have killed the child already
            os.kill(each, signal.SIGCONT)
    assert worker.operation("ChildGone", run_id=run)["cause"] == "FENCED"
    assert alive(worker.process.pid)
