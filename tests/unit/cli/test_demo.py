"""The demonstration tells the truth: a claim that does not hold ends it."""

from __future__ import annotations

import contextlib
import http.server
import io
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from singletrack.lifecycle import State
from singletrack_cli.demo import evidence, fetch, story
from singletrack_cli.demo.errors import ClaimFailed, CommandFailed
from singletrack_cli.demo.stage import Setting, Stage

METRICS = """# HELP singletrack_runs_finished_total Runs.
singletrack_runs_finished_total{outcome="failed",task="fail"} 1.0
singletrack_runs_finished_total{outcome="succeeded",task="fail"} 0.0
singletrack_runs_finished_total{outcome="succeeded",task="add"} 2.0
singletrack_runs_submitted_total{door="rest",task="add"} 7.0
"""
RUN: dict[str, Any] = {
    "id": "r1",
    "task": "add",
    "door": "rest",
    "phase": "Succeeded",
    "attempt": 1,
    "lock": {"key": "default/a", "fencingToken": 3},
}


@contextlib.contextmanager
def serving(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    setting = Setting(
        api="",
        metrics="",
        redis="",
        mark="",
        pid=0,
        log=tmp_path / "tasks.log",
        environ=dict(os.environ),
    )
    return Stage(io.StringIO(), setting)


def shown(stage: Stage) -> str:
    out = stage._out
    assert isinstance(out, io.StringIO)
    return out.getvalue()


def test_a_command_is_shown_with_what_it_really_prints(stage: Stage) -> None:
    assert stage.run("echo $((6 * 7))") == "42\n"
    assert shown(stage) == "\n$ echo $((6 * 7))\n42\n"


def test_a_command_that_fails_ends_the_story(stage: Stage) -> None:
    with pytest.raises(CommandFailed, match="ended with code 3: because"):
        stage.run("echo because >&2; exit 3")


def test_a_claim_that_holds_gets_a_tick_and_is_counted(stage: Stage) -> None:
    stage.claim("water is wet", True)
    assert shown(stage) == "  ✓ water is wet\n"
    assert stage.claims == 1


def test_a_claim_that_does_not_hold_ends_the_story_with_a_sentence(stage: Stage) -> None:
    with pytest.raises(ClaimFailed, match="it does not hold that pigs fly: none did"):
        stage.claim("pigs fly", False, "none did")
    assert stage.claims == 0


def test_the_stand_in_for_curl_shows_what_a_server_says_errors_included(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving({"/good": (200, "fine"), "/bad": (404, "nothing here")}) as url:
        assert fetch.main(["-s", f"{url}/good"]) == 0
        assert fetch.main(["-s", f"{url}/bad"]) == 0
    assert capsys.readouterr().out == "finenothing here"


def test_the_stand_in_for_curl_goes_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch.main(["-s", "http://example.org"]) == 2
    assert fetch.main([]) == 2
    assert "of this machine" in capsys.readouterr().err


def test_counters_are_read_by_their_labels_and_nothing_that_is_zero() -> None:
    found = evidence.counters(METRICS, "singletrack_runs_finished_total", ("task", "outcome"))
    assert found == Counter({("fail", "failed"): 1, ("add", "succeeded"): 2})


def test_a_run_of_the_listing_becomes_a_record_for_the_checker() -> None:
    record = evidence.final_record(RUN)
    assert (record.run, record.lock, record.state) == ("r1", "default/a", State.SUCCEEDED)
    assert (record.token, record.attempts) == (3, 1)


def test_a_run_that_has_not_ended_has_no_final_state() -> None:
    assert evidence.final_record({**RUN, "phase": "Running"}).state is None


def test_a_disagreement_between_the_doors_is_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"metadata": {"uid": "r1"}, "status": {"phase": "Failed"}}
    monkeypatch.setattr(stage, "taskruns", lambda: {"one": other})
    with pytest.raises(ClaimFailed, match="the same 1 runs"):
        evidence.compare_with_taskruns(stage, [RUN])


def test_a_run_that_the_metrics_missed_is_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "look", lambda _command: METRICS)
    with pytest.raises(ClaimFailed, match="count every run"):
        evidence.compare_with_metrics(stage, [RUN])


def test_a_manifest_means_what_it_says() -> None:
    text = story.manifest("one", "count_to", {"to": 3, "seconds": 0.1}, key="k", policy="Reject")
    found = yaml.safe_load(text)
    assert found["metadata"] == {"name": "one"}
    assert found["spec"] == {
        "task": "count_to",
        "params": {"to": 3, "seconds": 0.1},
        "lock": {"key": "k", "policy": "Reject"},
    }
