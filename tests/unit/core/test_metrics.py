import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from singletrack.metrics import counters as ledger_counters
from singletrack.metrics.declarations import EVERY, LABELS, LEDGER, Kind
from singletrack.metrics.exposing import page, render
from singletrack.metrics.instruments import new_registry


def test_counters_and_gauges_appear_under_the_prefix():
    fields = {"runs_finished_total|task=a|outcome=lost": 2, "runs|queue=q|state=QUEUED": 3}
    text = render(fields)
    assert 'singletrack_runs_finished_total{outcome="lost",task="a"} 2' in text
    assert 'singletrack_runs{queue="q",state="QUEUED"} 3' in text


def test_histogram_buckets_are_cumulative_and_give_the_count():
    text = render(
        {
            "run_wait_seconds_bucket|task=a|le=1": 2,
            "run_wait_seconds_bucket|task=a|le=5": 1,
            "run_wait_seconds_bucket|task=a|le=+Inf": 1,
            "run_wait_seconds_sum|task=a": 7.5,
        }
    )
    assert 'singletrack_run_wait_seconds_bucket{le="0.1",task="a"} 0' in text
    assert 'singletrack_run_wait_seconds_bucket{le="1.0",task="a"} 2' in text
    assert 'singletrack_run_wait_seconds_bucket{le="300.0",task="a"} 3' in text
    assert 'singletrack_run_wait_seconds_bucket{le="+Inf",task="a"} 4' in text
    assert 'singletrack_run_wait_seconds_count{task="a"} 4' in text
    assert 'singletrack_run_wait_seconds_sum{task="a"} 7.5' in text


def test_an_empty_ledger_still_declares_every_metric():
    text = render({})
    for metric in LEDGER:
        assert f"# HELP {metric.full_name}" in text
    assert "singletrack_locks_suspect 0" in text


def test_a_ledger_that_did_not_answer_has_no_numbers_and_not_zeros():
    text = render(None)
    assert "singletrack_ledger_up 0" in text
    assert "locks_suspect" not in text


def test_a_duration_tells_the_end_of_its_run_unless_another_attempt_followed():
    found = ledger_counters.read(
        {
            "run_duration_seconds_bucket|task=a|outcome=succeeded|le=1": 2,
            "run_duration_seconds_bucket|task=a|outcome=failed|le=1": 3,
            "run_duration_seconds_bucket|task=a|outcome=retried|le=1": 4,
            "run_duration_seconds_sum|task=a|result=error": 1500,
            "runs_finished_total|task=a|outcome=failed": 1,
            "runs|queue=q|state=READY": 0,
        },
        labels=[],
    )
    assert {name: number for name, number in found.items() if number} == {
        "run_duration_seconds_bucket|task=a|result=ok|le=1": 2,
        "run_duration_seconds_bucket|task=a|result=error|le=1": 7,
        "run_duration_seconds_sum|task=a|result=error": 1.5,
        "runs_finished_total|task=a|outcome=succeeded": 2,
        "runs_finished_total|task=a|outcome=failed": 4,
    }


def test_names_and_labels_of_metrics_follow_the_rules():
    names = [metric.name for metric in EVERY]
    assert len(names) == len(set(names))
    for metric in EVERY:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert metric.name.endswith("_seconds") == (metric.unit == "seconds"), metric.name
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert list(metric.buckets) == sorted(metric.buckets), metric.name
        assert metric.help.endswith("."), metric.name
        assert set(metric.labels) <= set(LABELS), metric.name
    assert set(LABELS) == {label for metric in EVERY for label in metric.labels}


def as_samples(families):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


COUNTED = {
    'runs_finished_total|task=a "quoted" \\ name|outcome=lost': 2,
    "runs|queue=q|state=QUEUED": 3,
    "longest_running_seconds|queue=q": 0.125,
    "run_wait_seconds_bucket|task=a|le=1": 2,
    "run_wait_seconds_sum|task=a": 7.5,
    "ledger_blessed": 1,
}


@pytest.mark.parametrize(
    ("accepted", "media_type", "parse"),
    [
        ("", "text/plain", parse_text),
        ("application/openmetrics-text;version=1.0.0", "openmetrics-text", parse_openmetrics),
    ],
    ids=["text", "openmetrics"],
)
def test_a_page_is_read_by_the_library_as_it_was_meant(accepted, media_type, parse):
    text, said = page(new_registry("api"), COUNTED, accepted)
    assert media_type in said
    found = as_samples(parse(text.decode()))
    labels = (("outcome", "lost"), ("task", 'a "quoted" \\ name'))
    assert found["singletrack_runs_finished_total", labels] == 2
    assert found["singletrack_longest_running_seconds", (("queue", "q"),)] == 0.125
    assert found["singletrack_run_wait_seconds_count", (("task", "a"),)] == 2
    assert found["singletrack_run_wait_seconds_bucket", (("le", "0.1"), ("task", "a"))] == 0
    assert found["singletrack_ledger_blessed", ()] == 1
    info = [labels for name, labels in found if name == "singletrack_build_info"]
    assert [dict(each)["component"] for each in info] == ["api"]


def stored_of(task):
    """What the ledger has of a task with every outcome, at every door, and of long standing."""
    runs = [f"runs_submitted_total|task={task}|door={door}" for door in ledger_counters.DOORS]
    ends = [f"runs_finished_total|task={task}|outcome={end}" for end in ledger_counters.OUTCOMES]
    tries = [f"retries_total|task={task}|cause={cause}" for cause in ledger_counters.CAUSES]
    why = [f"run_failures_total|task={task}|reason={why}" for why in ("TaskError", "Timeout")]
    waits = [f"run_wait_seconds_bucket|task={task}|le=1", f"run_wait_seconds_sum|task={task}"]
    lasted = [
        f"run_duration_seconds_bucket|task={task}|outcome={end}|le=1"
        for end in (*ledger_counters.OUTCOMES, ledger_counters.RETRIED)
    ]
    return [*runs, *ends, *tries, *why, *waits, *lasted]


def test_fifty_busy_tasks_in_five_queues_are_no_more_than_2500_series():
    tasks, queues = range(50), range(5)
    stored = {field: 7 for number in tasks for field in stored_of(f"task-{number}")}
    labels = [f"task=task-{number}" for number in tasks]
    labels += [f"queue=queue-{number}" for number in queues]
    text = render(ledger_counters.read(stored, labels))
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len({line.rpartition(" ")[0] for line in samples})
    assert 2000 < len(samples) <= 2500
