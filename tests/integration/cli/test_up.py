"""`singletrack up` without Kubernetes: starts, runs tasks by every door, ends without a trace."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.up_process import StartUp, Up
from support.redis_servers import RedisServer
from support.waiting import wait_until

TASKS = """from singletrack import task

@task
def first():
    return "{}"
"""

CHANGED_ONCE_READ = """import pathlib, sys

if "singletrack_worker" in sys.argv[0]:
    pathlib.Path(__file__).with_name("new").replace(__file__)

"""


def test_it_starts_runs_a_task_and_ctrl_c_leaves_no_process(start_up: StartUp) -> None:
    up = start_up().ready()
    assert up.starts_and_ends()["result"] == "Hello Bob!"
    assert set(up.state["parts"]) == {"valkey", "worker", "api", "warden"}
    assert len(up.left_over()) >= 6  # with the worker's agent and its two children
    assert up.interrupt() == 0
    assert up.left_over() == []
    assert not (up.folder / "data" / "up.json").exists()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for the tests that only look."""
    up = Up(tmp_path_factory.mktemp("up")).ready()
    yield up
    up.interrupt()
    up.close()


def test_its_screen_can_be_followed_in_another_terminal(up: Up) -> None:
    wait_until(lambda: "Ctrl-C stops everything" in up.output)
    [command] = [line for line in up.output.splitlines() if ".delay(" in line]
    assert up.shell(command).strip() == "Hello Bob!"
    assert up.state["redis"] not in up.output  # nor is the password on anybody's screen


def test_log_lines_stand_behind_the_name_of_their_part(up: Up) -> None:
    up.starts_and_ends()
    wait_until(lambda: "worker   | " in up.output and "run_finished" in up.output)
    assert "valkey   | " not in up.output


def test_the_data_stays_for_the_next_time(start_up: StartUp) -> None:
    up = start_up().ready()
    run = up.starts_and_ends()
    url = up.state["redis"]
    up.interrupt()
    again = start_up().ready()
    assert again.get(f"/status?task_id={run['id']}") == run
    assert again.state["redis"] == url
    again.interrupt()


def test_tasks_of_the_current_folder_are_run_and_followed_when_they_change(
    start_up: StartUp, tmp_path: Path
) -> None:
    module = tmp_path / "mine.py"
    module.write_text(TASKS.format("old"))
    up = start_up("--tasks", "mine", "--reload").ready()
    assert up.starts_and_ends()["result"] == "old"
    worker = up.pid("worker")

    module.write_text("def broken(:\n")
    wait_until(lambda: "SyntaxError" in up.output and "the old worker goes on" in up.output)
    assert up.pid("worker") == worker

    module.write_text(TASKS.format("new"))
    wait_until(lambda: up.pid("worker") != worker, what="another worker")
    wait_until(lambda: up.starts_and_ends()["result"] == "new", what="the new code")
    up.interrupt()
    assert up.left_over() == []


def test_tasks_that_change_while_their_worker_reads_them_are_read_again(
    start_up: StartUp, tmp_path: Path
) -> None:
    module = tmp_path / "mine.py"
    module.write_text(CHANGED_ONCE_READ + TASKS.format("old"))
    (tmp_path / "new").write_text(TASKS.format("new"))
    up = start_up("--tasks", "mine", "--reload").ready()
    wait_until(lambda: up.starts_and_ends()["result"] == "new", 30, "the new code")
    up.interrupt()


def test_a_given_server_is_used_instead_of_the_embedded_one(
    start_up: StartUp, fresh_valkey: RedisServer
) -> None:
    up = start_up("--redis", fresh_valkey.url).ready()
    assert "valkey" not in up.state["parts"]
    assert up.starts_and_ends()["status"] == "SUCCESS"
    assert any(key.startswith("{st}:") for key in fresh_valkey.client().scan_iter())
    up.interrupt()
    assert fresh_valkey.alive


def test_a_signal_while_it_starts_stops_it(start_up: StartUp) -> None:
    up = start_up("--verbose")
    wait_until(lambda: "Ready to accept connections" in up.output or up.ended)
    assert up.interrupt() == 130
    assert "Traceback" not in up.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_every_polite_signal_stops_it_in_order(start_up: StartUp, number: signal.Signals) -> None:
    up = start_up().ready()
    assert up.interrupt(number) == 0
    assert up.left_over() == []
