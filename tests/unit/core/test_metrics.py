from prometheus_client import CollectorRegistry, generate_latest

from singletrack.metrics.exposing import LedgerCollector, parse_field


def exposition(counters):
    registry = CollectorRegistry()
    registry.register(LedgerCollector(lambda: counters))
    return generate_latest(registry).decode()


def test_a_field_of_the_ledger_is_a_name_and_labels():
    assert parse_field("runs_finished_total|task=a|outcome=lost") == (
        "runs_finished_total",
        (("task", "a"), ("outcome", "lost")),
    )


def test_counters_and_gauges_appear_under_the_prefix():
    text = exposition({"runs_finished_total|task=a|outcome=lost": 2, "runs|state=QUEUED": 3})
    assert 'singletrack_runs_finished_total{outcome="lost",task="a"} 2.0' in text
    assert 'singletrack_runs{state="QUEUED"} 3.0' in text
    assert "singletrack_lock_waiters 3.0" in text


def test_histogram_buckets_are_cumulative():
    text = exposition(
        {
            "run_wait_seconds_bucket|task=a|le=0.1": 2,
            "run_wait_seconds_bucket|task=a|le=1": 1,
            "run_wait_seconds_count|task=a": 4,
            "run_wait_seconds_sum|task=a": 7.5,
        }
    )
    assert 'singletrack_run_wait_seconds_bucket{le="0.05",task="a"} 0.0' in text
    assert 'singletrack_run_wait_seconds_bucket{le="0.1",task="a"} 2.0' in text
    assert 'singletrack_run_wait_seconds_bucket{le="1.0",task="a"} 3.0' in text
    assert 'singletrack_run_wait_seconds_bucket{le="+Inf",task="a"} 4.0' in text
    assert 'singletrack_run_wait_seconds_count{task="a"} 4.0' in text
    assert 'singletrack_run_wait_seconds_sum{task="a"} 7.5' in text


def test_an_empty_ledger_still_declares_every_metric():
    text = exposition({})
    for name in ("runs_submitted_total", "runs_finished_total", "run_duration_seconds"):
        assert f"# HELP singletrack_{name}" in text
