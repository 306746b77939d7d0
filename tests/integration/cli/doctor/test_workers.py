"""Who executes: weak points planted on a whole platform with a real worker and its agent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.doctor.planting import Patient, beyond, only
from support.local_platform import Platform
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.catalogue import CatalogueEntry
from singletrack.findings import Severity
from singletrack_cli.doctor.examination import Diagnosis

_STRANGER = """
from celery import Celery
app = Celery("theirs", broker_connection_retry_on_startup=True)
app.conf.broker_url = {url!r}
@app.task(name="their.task")
def task(): pass
"""


@pytest.fixture
def platform_patient(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Patient:
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    return Patient(platform.server, monkeypatch, watch_seconds=2.0)


@pytest.fixture
def stranger(platform: Platform, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker without the gate, on Celery's own default queue."""
    (tmp_path / "theirs.py").write_text(_STRANGER.format(url=platform.server.url))
    log = tmp_path / "theirs.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "theirs",
                "worker",
                "-c1",
                "-lINFO",
                "-ntheirs@x",
            ],
            cwd=tmp_path,
            env=dict(os.environ),
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: b" ready." in log.read_bytes(), 30, "the other worker to be ready")
        yield process
    finally:
        process.terminate()
        process.wait(60)


def status_of(diagnosis: Diagnosis, check: str) -> str:
    return next(each.status for each in diagnosis.checked if each.name == check)


async def test_a_sound_platform_has_no_finding(
    platform: Platform, platform_patient: Patient
) -> None:
    platform.start_worker()
    diagnosis = await platform_patient.diagnose()
    assert beyond(diagnosis, set()) == {}
    assert {each.status for each in diagnosis.checked if each.name != "cluster"} == {"ok"}


async def test_no_worker_is_alive(platform_patient: Patient) -> None:
    diagnosis = await platform_patient.diagnose()
    found = only(beyond(diagnosis, {"tasks"}), "workers", Severity.ERROR)
    assert found.problem == "no worker is alive: nothing is executed"
    assert "singletrack-worker" in found.remedy
    assert status_of(diagnosis, "tasks") == "error"


async def test_agents_whose_workers_have_gone_with_their_machine(
    platform: Platform, platform_patient: Patient
) -> None:
    platform.ledger.execute(ops.Renew(agent="gone@far/0123"))
    diagnosis = await platform_patient.diagnose()
    found = only(beyond(diagnosis, {"tasks"}), "workers", Severity.ERROR)
    assert "none of their workers answers" in found.problem


async def test_a_queue_that_nobody_reads(platform: Platform, platform_patient: Patient) -> None:
    platform.start_worker()
    entry = CatalogueEntry(name="slow_one", parameters={}, queue="slow")
    platform.ledger.execute(ops.RegisterTasks(entries={"slow_one": entry.to_json()}))
    found = only(beyond(await platform_patient.diagnose(), set()), "tasks", Severity.ERROR)
    assert "'slow' of the task slow_one" in found.problem
    assert "singletrack-worker -Q slow" in found.remedy


async def test_a_worker_without_the_gate_on_our_queue(
    platform: Platform, platform_patient: Patient, stranger: subprocess.Popen[bytes]
) -> None:
    platform.start_worker()
    found = only(beyond(await platform_patient.diagnose(), set()), "workers", Severity.ERROR)
    assert "theirs@x" in found.problem
    assert "without a lock" in found.problem
    assert "install(app)" in found.remedy


async def test_an_agent_that_has_not_been_heard_of_since_a_restart(
    platform: Platform, platform_patient: Patient
) -> None:
    platform.start_worker()
    platform.ledger.execute(ops.Renew(agent="hangs@far/0123", reported_to="an earlier server"))
    found = only(beyond(await platform_patient.diagnose(), set()), "workers", Severity.WARNING)
    assert "hangs@far/0123: has not renewed since the server has restarted" in found.problem
