"""Failpoints: off unless a test says so twice, declared in one place, each fires once."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from singletrack import failpoints
from singletrack.errors import ConfigurationError
from singletrack.failpoints import arming, failpoint
from singletrack.failpoints.points import POINTS

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ("core", "api", "worker", "operator", "cli")


@pytest.fixture
def armed(tmp_path: Path) -> Iterator[Path]:
    """This process, armed with nothing; the folder whose file arms more."""
    arm(tmp_path, "")
    yield tmp_path
    failpoints.disarm()


def arm(folder: Path, text: str, process: str = "api") -> None:
    failpoints.arm(
        process,
        {arming.LIST: text, arming.PURPOSE: "tests", arming.FOLDER: str(folder)},
    )


def write(folder: Path, number: int, text: str) -> None:
    fresh = folder / "fresh"
    fresh.write_text(f"{number} {text}")
    fresh.replace(folder / arming.ARMED)


def fired(folder: Path) -> list[dict[str, object]]:
    log = folder / arming.FIRED
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def calls() -> Iterator[tuple[str, ast.Call]]:
    for component in COMPONENTS:
        for path in (ROOT / component).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_call_in_the_source_names_a_declared_point_and_none_is_unused() -> None:
    used = set()
    for where, call in calls():
        name = call.args[0]
        assert isinstance(name, ast.Constant), f"{where}: the name must be written out"
        assert isinstance(name.value, str), where
        assert name.value in POINTS, f"{where}: {name.value} is not declared"
        assert POINTS[name.value].detailed == (len(call.args) == 2), where
        used.add(name.value)
    assert used == POINTS.keys()


def test_nothing_happens_where_nothing_is_armed(tmp_path: Path) -> None:
    failpoints.arm("api", {})
    failpoint("gate.started")
    failpoint("a name that nobody has declared costs nothing to look up")


@pytest.mark.parametrize(
    "environment",
    [
        {arming.LIST: "gate.started:kill9"},
        {arming.LIST: ""},
        {arming.LIST: "gate.started:kill9", arming.PURPOSE: "tests"},
        {arming.LIST: "gate.started:kill9", arming.PURPOSE: "fun", arming.FOLDER: "/tmp"},
        {arming.LIST: "gate.started:kill9", arming.FOLDER: "/tmp"},
    ],
)
def test_a_process_does_not_arm_by_accident(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="unset it"):
        failpoints.arm("api", environment)
    failpoint("gate.started")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gate.climbed:kill9", "no failpoint 'gate.climbed'"),
        ("gate.started:explode", "is not"),
        ("gate.started", "is not"),
        ("gate.started:kill9@0", "is not"),
        ("gate.started:drop-reply", "no reply comes"),
    ],
)
def test_a_list_that_names_what_is_not_there_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        arm(tmp_path, text)


def test_a_list_is_read_with_all_its_parts() -> None:
    text = "gate.started:kill9, child>ledger.sent/start:drop-reply@2, agent.renew:delay(500)"
    first, second, third = arming.parse(text)
    assert (first.point, first.action, first.nth) == ("gate.started", "kill9", 1)
    assert (second.process, second.detail, second.nth) == ("child", "start", 2)
    assert (third.action, third.ms) == ("delay", 500)


def test_an_entry_fires_once_at_its_passage_and_says_so_before(armed: Path) -> None:
    write(armed, 1, "gate.started:raise@2")
    failpoint("gate.started")
    with pytest.raises(arming.Raised):
        failpoint("gate.started")
    failpoint("gate.started")
    (line,) = fired(armed)
    assert (line["point"], line["process"], line["pid"]) == ("gate.started", "api", os.getpid())


def test_entries_for_one_point_count_every_passage(armed: Path) -> None:
    write(armed, 1, "gate.started:raise@2, gate.started:raise@3")
    failpoint("gate.started")
    for _ in range(2):
        with pytest.raises(arming.Raised):
            failpoint("gate.started")
    failpoint("gate.started")
    assert len(fired(armed)) == 2


def test_a_dropped_reply_is_a_broken_connection(armed: Path) -> None:
    write(armed, 1, "ledger.sent/start:drop-reply")
    failpoint("ledger.sent", "claim")
    with pytest.raises(ConnectionError):
        failpoint("ledger.sent", "start")


def test_an_entry_for_another_process_does_not_fire(armed: Path) -> None:
    write(armed, 1, "agent>gate.started:raise")
    failpoint("gate.started")
    assert fired(armed) == []


def test_the_file_is_followed_and_a_new_number_counts_anew(armed: Path) -> None:
    for number in (1, 2):
        write(armed, number, "gate.started:raise")
        with pytest.raises(arming.Raised):
            failpoint("gate.started")
        failpoint("gate.started")
    write(armed, 3, "")
    failpoint("gate.started")
    assert len(fired(armed)) == 2


def test_an_undeclared_point_is_an_error_where_something_is_armed(armed: Path) -> None:
    with pytest.raises(KeyError):
        failpoint("gate.climbed")
    with pytest.raises(KeyError):
        failpoint("ledger.sent")


def test_passages_are_counted_over_all_processes_and_a_fork_is_a_child(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from singletrack import failpoints\n"
        "failpoints.arm('worker', os.environ)\n"
        "failpoints.failpoint('gate.started')\n"
        "if os.fork() == 0:\n"
        "    failpoints.failpoint('gate.started')\n"
        "    os._exit(0)\n"
        "print(os.wait()[1])\n"
    )
    environment = {
        arming.LIST: "gate.started:kill9@2",
        arming.PURPOSE: "tests",
        arming.FOLDER: str(tmp_path),
        "PYTHONPATH": str(ROOT / "core"),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(int(signal.SIGKILL))
    (line,) = fired(tmp_path)
    assert (line["process"], line["action"]) == ("child", "kill9")
