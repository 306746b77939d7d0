"""What a producer's message says of its run: policy, lock, priority, at most how many waiting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from singletrack import task
from singletrack.admission import Defaults
from singletrack.errors import InvalidParameters
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.run import Door
from singletrack_worker.direct import DirectRuns, Message


@task(name="direct.report", lock="reports/{month}-{year}", policy="Skip")
def report(month: str, year: int = 2026, *rest: str, **more: str) -> None:
    """Make a report."""


@task(name="direct.queued", policy="Queue", max_queue=7)
def queued(month: str = "01") -> None:
    """Make a report, later."""


@task(name="direct.plain", bind=True)
def plain(_self: object, month: str = "01") -> None:
    """Make a report."""


@pytest.fixture
def runs():
    app = Celery(set_as_current=False)
    app.finalize()
    return DirectRuns(app, "team", Defaults())


def specify(runs, task="direct.plain", *args, headers=None, **kwargs):
    message = Message(run_id="r1", task=task, args=args, kwargs=kwargs, headers=headers or {})
    return runs.specify(message)


def test_the_message_decides_before_the_task_and_the_task_before_the_door(runs):
    said = {"singletrack_policy": "Join"}
    assert specify(runs, "direct.report", "10", headers=said).policy is Policy.JOIN
    assert specify(runs, "direct.report", "10").policy is Policy.SKIP
    assert specify(runs).policy is Policy.QUEUE
    assert specify(runs).door is Door.PRODUCER


@pytest.mark.parametrize("policy", Policy)
def test_a_message_may_ask_for_every_policy(runs, policy):
    assert specify(runs, headers={"singletrack_policy": str(policy)}).policy is policy


def test_a_message_may_name_its_lock_its_priority_and_the_longest_list(runs):
    said = {
        "singletrack_lock": "own/{month}",
        "singletrack_priority": -7,
        "singletrack_max_queue": 0,
    }
    spec = specify(runs, "direct.plain", "11", headers=said)
    assert (spec.lock, spec.priority, spec.max_queue) == ("team/own/11", -7, 0)
    assert specify(runs, "direct.queued").max_queue == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy", "Whatever"),
        ("policy", ["Skip"]),
        ("policy", 1),
        ("lock", ""),
        ("lock", 5),
        ("priority", 1001),
        ("priority", True),
        ("priority", "5"),
        ("max_queue", -1),
        ("max_queue", 1.5),
        ("retries", -1),
        ("retries", 101),
        ("on_lost", "Hope"),
        ("timeout", 0),
        ("timeout", "5"),
        ("timeout", True),
        ("timeout", float("inf")),
        ("queue_timeout", -1),
        ("start_deadline", 366 * 86_400 + 1),
        ("ttl", -1),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_by_name(runs, name, value):
    with pytest.raises(InvalidParameters, match=f"singletrack_{name}"):
        specify(runs, headers={f"singletrack_{name}": value})


def test_a_message_may_say_how_long_its_run_may_take_wait_and_be_kept(runs):
    said = {
        "singletrack_timeout": 5,
        "singletrack_queue_timeout": 6.5,
        "singletrack_start_deadline": 7,
        "singletrack_ttl": 0,
        "singletrack_on_lost": "Hold",
        "singletrack_retries": 2,
    }
    spec = specify(runs, headers=said)
    assert (spec.timeout_seconds, spec.queue_timeout_seconds) == (5, 6.5)
    assert (spec.start_deadline_seconds, spec.ttl_seconds) == (7, 0)
    assert (spec.on_lost, spec.retry.limit) == (OnLost.HOLD, 2)


def test_our_header_is_more_exact_than_celerys_time_limit(runs):
    said = {"singletrack_timeout": 5, "singletrack_soft_timeout": 3}
    celerys = {"timeout_seconds": 60.0, "soft_timeout_seconds": 40.0}
    message = Message(run_id="r1", task="direct.plain", headers=said, **celerys)
    spec, other = runs.specify(message), runs.specify(replace(message, headers={}))
    assert (spec.timeout_seconds, spec.soft_timeout_seconds) == (5, 3)
    assert (other.timeout_seconds, other.soft_timeout_seconds) == (60, 40)


def test_no_header_lets_a_message_wait_beyond_its_expiry(runs):
    said = {"singletrack_queue_timeout": 500, "singletrack_start_deadline": 5}
    expires = datetime.now(UTC) + timedelta(seconds=60)
    spec = runs.specify(Message(run_id="r1", task="direct.plain", expires=expires, headers=said))
    assert spec.queue_timeout_seconds <= 60
    assert spec.start_deadline_seconds == 5


def test_headers_of_others_are_left_alone(runs):
    assert specify(runs, headers={"policy": "Join", "x": object()}).policy is Policy.QUEUE


# --- lock templates -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs", "key"),
    [
        (("10",), {}, "reports/10-2026"),
        (("10", 2025), {}, "reports/10-2025"),
        (("10",), {"year": 2024}, "reports/10-2024"),
        ((), {"month": "10"}, "reports/10-2026"),
        (("10", 2025, "x", "y"), {"other": "z"}, "reports/10-2025"),
    ],
)
def test_a_template_is_filled_however_the_parameters_are_given(runs, args, kwargs, key):
    assert specify(runs, "direct.report", *args, **kwargs).lock == f"team/{key}"


def test_a_template_whose_parameter_is_missing_is_refused_by_name(runs):
    with pytest.raises(InvalidParameters, match="'month'"):
        specify(runs, "direct.report")


@pytest.mark.parametrize("value", ["{year}", "{0}", "{month.__class__}", "{", "%s", "../x", "a/b"])
def test_a_value_is_never_read_as_a_template(runs, value):
    assert specify(runs, "direct.report", value).lock == f"team/reports/{value}-2026"


@pytest.mark.parametrize("value", ["a\nb", "\x00", "x" * 254, "\ud800"])
def test_a_value_no_key_can_hold_is_refused(runs, value):
    with pytest.raises(InvalidParameters, match="lock key"):
        specify(runs, "direct.report", value)


def test_the_task_itself_is_no_parameter_of_a_bound_one(runs):
    said = {"singletrack_lock": "k/{month}"}
    assert specify(runs, "direct.plain", "12", headers=said).lock == "team/k/12"


@pytest.mark.parametrize(
    ("timelimit", "limits"),
    [
        ([9, 5], (9, 5)),
        ((9, 9), (9, None)),
        ([None, 5], (None, 5)),
        ([9, None], (9, None)),
        ([0, 0], (None, None)),
        ([9], (9, None)),
        (None, (None, None)),
    ],
)
def test_celerys_time_limits_of_a_message_are_its_runs(runs, timelimit, limits):
    request = {"id": "r1", "timelimit": timelimit}
    spec = runs.specify(Message.of("direct.plain", (), {}, request))
    assert (spec.timeout_seconds, spec.soft_timeout_seconds) == limits
