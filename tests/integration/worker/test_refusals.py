"""A worker that cannot keep the promise does not start, and says in a sentence what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection
from support.local_platform import ROOT, Platform
from support.waiting import wait_until

_OTHER_CELERY = "import celery\ncelery.__version__ = '5.8.0'\n"


def start(platform: Platform, *options: str, **environment: str) -> str:
    """Start a worker that is to refuse; what it said."""
    with pytest.raises(AssertionError) as refused:
        platform.start_worker(1, *options, **environment)
    return str(refused.value)


@pytest.mark.parametrize("pool", ["solo", "threads", "gevent", "eventlet"])
@pytest.mark.parametrize("option", ["--pool={}", "-P{}"])
def test_a_pool_that_cannot_stop_a_task(platform: Platform, pool: str, option: str) -> None:
    said = start(platform, option.format(pool))
    assert f"singletrack-worker: the pool {pool} cannot stop a task" in said
    assert "--pool=prefork" in said
    assert "Traceback" not in said


def test_a_pool_that_an_existing_apps_settings_choose(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "existing.py").write_text(
        "from celery import Celery\nfrom singletrack_worker import install\n"
        "app = install(Celery('existing'))\napp.conf.worker_pool = 'threads'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "existing", "worker"],
        cwd=tmp_path,
        env={**os.environ, **platform.environment, "PYTHONPATH": _checkout()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "singletrack-worker: the pool thread cannot stop a task" in done.stderr


def test_a_celery_this_release_does_not_know(platform: Platform, tmp_path: Path) -> None:
    said = start(platform, PYTHONPATH=_with_another_celery(tmp_path))
    assert "Celery 5.8.0 is not one this release knows (5.7)" in said
    assert "SINGLETRACK_UNTESTED_CELERY=5.8" in said


def test_a_celery_that_is_accepted_at_ones_own_risk(platform: Platform, tmp_path: Path) -> None:
    path = _with_another_celery(tmp_path)
    platform.start_worker(1, PYTHONPATH=path, SINGLETRACK_UNTESTED_CELERY="5.8")
    assert "was accepted by SINGLETRACK_UNTESTED_CELERY" in platform.worker_log()


def test_another_apps_messages_are_told_and_refuse_nothing(platform: Platform) -> None:
    with Connection(platform.server.url) as connection:
        queue = connection.SimpleQueue("theirs")
        queue.put({}, headers={"task": "their.task"})
        held = queue.get(timeout=10)
        platform.start_worker(1)
        wait_until(lambda: "their.task" in platform.worker_log(), 10)
        held.ack()
        queue.close()
    assert "database of its own" in platform.worker_log()


def test_a_clean_broker_is_worth_no_word(platform: Platform) -> None:
    platform.start_worker(1)
    assert "worker_weakness" not in platform.worker_log()


def _with_another_celery(tmp_path: Path) -> str:
    """As if Celery 5.8 were installed: Python imports `sitecustomize` before anything else."""
    (tmp_path / "sitecustomize.py").write_text(_OTHER_CELERY)
    return f"{tmp_path}:{_checkout()}"


def _checkout() -> str:
    return os.pathsep.join(str(ROOT / name) for name in ("core", "worker"))
