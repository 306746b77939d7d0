"""How a worker's processes log: the packaged app in our format, a project's own app in its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.local_platform import ROOT, Platform
from support.waiting import wait_until

from singletrack.lifecycle import State

pytestmark = pytest.mark.redis

TASKS = """
import logging
from celery.utils.log import get_task_logger
from singletrack import task

@task(name="speak", lock="voice/{name}")
def speak(name: str) -> None:
    logging.getLogger("shop").warning("by the standard library, %s", name)
    get_task_logger("shop.tasks").warning("by Celery")
    print("by print")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("shop").exception("by an exception")
"""

OWN_APP = """
import os
from celery import Celery
from singletrack_worker import install
app = Celery("mine", broker=os.environ["REDIS_URL"], include=["speaking"])
app.conf.worker_log_format = "MINE %(name)s %(message)s"
install(app)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "speaking.py").write_text(TASKS)
    (tmp_path / "mine.py").write_text(OWN_APP)
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    path = [*(str(ROOT / name) for name in ("core", "worker")), str(folder)]
    return {"PYTHONPATH": os.pathsep.join(path), "SINGLETRACK_TASKS": "speaking", **more}


def celery(app: str) -> list[str]:
    """A launcher that starts Celery's own command with an app, in the place of ours."""
    script = f'shift 3; exec "{sys.executable}" -m celery --quiet -A {app} worker -l INFO "$@"'
    return ["sh", "-c", script, "sh"]


def spoken(platform: Platform) -> str:
    run_id = platform.submit("speak", {"name": "bob"})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    wait_until(lambda: "run_finished" in platform.worker_log(), what="its last line")
    return run_id


def lines(platform: Platform) -> list[dict[str, Any]]:
    return [json.loads(line) for line in platform.worker_log().splitlines() if line.strip()]


def test_what_a_task_says_is_json_too_and_names_its_run(platform: Platform, folder: Path) -> None:
    platform.start_worker(1, **environment(folder, SINGLETRACK_LOG_FORMAT="json"))
    run_id = spoken(platform)
    said = {line["event"]: line for line in lines(platform)}
    for event, logger in (
        ("by the standard library, bob", "shop"),
        ("by Celery", "shop.tasks"),
        ("by print", "celery.redirected"),
        ("by an exception", "shop"),
    ):
        line = said[event]
        assert (line["logger"], line["component"]) == (logger, "worker")
        assert [line[name] for name in ("run", "task", "lock", "attempt")] == [
            run_id, "speak", "default/voice/bob", 1,
        ]  # fmt: skip
    assert "ZeroDivisionError: division by zero" in said["by an exception"]["exception"]


def test_the_packaged_app_logs_alike_under_celerys_own_command(
    platform: Platform, folder: Path
) -> None:
    settings = environment(folder, SINGLETRACK_LOG_FORMAT="json")
    platform.start_worker(1, launcher=celery("singletrack_worker.app"), **settings)
    run_id = spoken(platform)
    # Before it sets logging up, Celery warns of root as text.
    [said] = [line for line in platform.worker_log().splitlines() if "by Celery" in line]
    line = json.loads(said)
    assert (line["run"], line["component"]) == (run_id, "worker")


def test_a_projects_own_app_keeps_its_logging_and_our_events_join_it(
    platform: Platform, folder: Path
) -> None:
    settings = environment(folder, SINGLETRACK_LOG_FORMAT="json")
    platform.start_worker(1, launcher=celery("mine"), **settings)
    run_id = spoken(platform)
    log = platform.worker_log()
    assert "MINE shop by the standard library, bob" in log
    [ours] = re.findall("MINE singletrack_worker.execute (event=run_finished .*)", log)
    said = dict(part.split("=", 1) for part in ours.split())
    assert [said[name] for name in ("run", "task", "lock", "attempt")] == [
        run_id, "speak", "default/voice/bob", "1",
    ]  # fmt: skip
    [agent] = [line for line in log.splitlines() if "agent_ready" in line]
    assert json.loads(agent)["component"] == "agent"


def test_what_is_less_important_than_the_level_is_left_out_in_every_process(
    platform: Platform, folder: Path
) -> None:
    settings = environment(folder, SINGLETRACK_LOG_FORMAT="json", SINGLETRACK_LOG_LEVEL="warning")
    platform.start_worker(1, "--loglevel", "INFO", **settings)
    spoken(platform)
    by_part = {(line["component"], line["level"]) for line in lines(platform)}
    assert ("worker", "info") in by_part  # asked for on the command line
    assert ("agent", "info") not in by_part


def test_text_is_for_people(platform: Platform, folder: Path) -> None:
    platform.start_worker(1, **environment(folder))
    run_id = spoken(platform)
    [line] = [line for line in platform.worker_log().splitlines() if "run_finished" in line]
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z? \[info +\] run_finished ", line)
    assert f"run={run_id}" in line


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SINGLETRACK_LOG_FORMAT", "yaml", "SINGLETRACK_LOG_FORMAT: Input should be 'text' or 'js"),
        ("SINGLETRACK_LOG_LEVEL", "LOUD", "SINGLETRACK_LOG_LEVEL: Input should be 'DEBUG', 'INFO'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(name: str, value: str, said: str) -> None:
    path = os.pathsep.join(str(ROOT / part) for part in ("core", "worker"))
    done = subprocess.run(
        [sys.executable, "-m", "singletrack_worker"],
        env={**os.environ, "PYTHONPATH": path, name: value},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"singletrack-worker: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_no_complaint_about_a_server_that_is_gone_shows_its_password(
    platform: Platform, folder: Path
) -> None:
    settings = environment(folder, SINGLETRACK_LOG_LEVEL="DEBUG", SINGLETRACK_LOG_FORMAT="json")
    platform.start_worker(1, "--loglevel", "DEBUG", **settings)
    run_id = platform.submit("speak", {"name": "bob"})
    platform.wait_for_end(run_id)
    platform.server.kill9()

    def complained() -> bool:
        said = lines(platform)
        lost = any(line["event"] == "ledger_unavailable" for line in said)
        return lost and any("Cannot connect to redis://" in line["event"] for line in said)

    wait_until(complained, 60, "the agent and Celery to complain")
    log = platform.worker_log()
    platform.server.restart()
    assert platform.server.password not in log
