"""What the counters have to be, told from the stories of runs; and what a page says they are."""

from __future__ import annotations

from support.measured.tally import Story, differences, of_page, of_stories, series

PAGE = """\
# TYPE singletrack_runs_finished_total counter
singletrack_runs_finished_total{task="add",outcome="succeeded"} 2.0
singletrack_runs_finished_total{task="add",outcome="lost"} 0.0
# TYPE singletrack_runs gauge
singletrack_runs{queue="celery",state="READY"} 3.0
"""


def test_a_run_that_succeeded_in_its_third_attempt_has_two_retries_and_three_durations() -> None:
    causes = ("Error", "WorkerLost")
    story = Story(task="t", door="rest", outcome="succeeded", starts=3, causes=causes)
    assert of_stories([story]) == {
        series("runs_submitted_total", task="t", door="rest"): 1,
        series("runs_finished_total", task="t", outcome="succeeded"): 1,
        series("retries_total", task="t", cause="Error"): 1,
        series("retries_total", task="t", cause="WorkerLost"): 1,
        series("run_wait_seconds_count", task="t"): 1,
        series("run_duration_seconds_count", task="t", result="ok"): 1,
        series("run_duration_seconds_count", task="t", result="error"): 2,
    }


def test_a_run_that_is_executed_has_waited_and_not_ended() -> None:
    assert of_stories([Story(task="t", door="rest")]) == {
        series("runs_submitted_total", task="t", door="rest"): 1,
        series("run_wait_seconds_count", task="t"): 1,
    }


def test_a_run_that_never_started_has_neither_waited_nor_lasted() -> None:
    story = Story(task="t", door="kubectl", outcome="expired", starts=0)
    assert of_stories([story]) == {
        series("runs_submitted_total", task="t", door="kubectl"): 1,
        series("runs_finished_total", task="t", outcome="expired"): 1,
    }


def test_a_page_is_read_without_its_zeros_and_without_what_is_not_asked_for() -> None:
    assert of_page(PAGE) == {series("runs_finished_total", task="add", outcome="succeeded"): 2}


def test_a_number_that_is_off_is_named_whichever_side_has_it() -> None:
    one, other = series("a_total", task="t"), series("b_total")
    assert differences({one: 2}, {one: 1, other: 3}) == [
        "a_total{task=t} is 1, not 2",
        "b_total{} is 3, not 0",
    ]
