import pytest

from singletrack.admission import (
    MAX_PARAMETERS_BYTES,
    Defaults,
    RunRequest,
    check_parameters,
    resolve,
)
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import EncodeError, InvalidParameters, ParametersTooLarge
from singletrack.policies import Policy
from singletrack.run import Door

SCHEMA = {
    "type": "object",
    "properties": {"month": {"type": "string"}, "year": {"type": "integer", "default": 2026}},
    "required": ["month"],
    "additionalProperties": False,
}


def entry(**changes):
    return CatalogueEntry(**{"name": "report", "parameters": SCHEMA} | changes)


def request(**changes):
    fields = {"run_id": "r1", "task": "report", "door": Door.REST, "params": {"month": "10"}}
    return RunRequest(**fields | changes)


def test_the_request_decides_before_the_task_and_the_task_before_the_door():
    task = entry(policy=Policy.REPLACE, lock="from-task", timeout_seconds=5)
    said = request(policy=Policy.QUEUE, lock="from-request", timeout_seconds=1)
    assert resolve(said, task, Defaults()).policy is Policy.QUEUE
    assert resolve(said, task, Defaults()).lock == "default/from-request"
    assert resolve(said, task, Defaults()).timeout_seconds == 1
    assert resolve(request(), task, Defaults()).policy is Policy.REPLACE
    assert resolve(request(), task, Defaults()).lock == "default/from-task"
    assert resolve(request(), task, Defaults()).timeout_seconds == 5


@pytest.mark.parametrize(
    ("door", "policy"),
    [(Door.REST, Policy.REJECT), (Door.KUBECTL, Policy.QUEUE), (Door.PRODUCER, Policy.QUEUE)],
)
def test_the_door_decides_when_nobody_else_does(door, policy):
    assert resolve(request(door=door), entry(), Defaults()).policy is policy


@pytest.mark.parametrize("door", Door)
@pytest.mark.parametrize("policy", Policy)
def test_every_policy_can_be_asked_for_at_every_door(door, policy):
    assert resolve(request(door=door, policy=policy), entry(), Defaults()).policy is policy
    assert resolve(request(door=door), entry(policy=policy), Defaults()).policy is policy


def test_the_request_limits_the_waiting_list_before_the_task():
    task = entry(policy=Policy.QUEUE, max_queue=5)
    assert resolve(request(), task, Defaults()).max_queue == 5
    assert resolve(request(max_queue=0), task, Defaults()).max_queue == 0
    assert resolve(request(), entry(policy=Policy.QUEUE), Defaults()).max_queue is None


def test_the_tasks_limit_means_nothing_under_another_policy():
    task = entry(policy=Policy.QUEUE, max_queue=5)
    assert resolve(request(policy=Policy.JOIN), task, Defaults()).max_queue is None


def test_a_limit_that_would_mean_nothing_is_refused():
    with pytest.raises(InvalidParameters, match="Queue, but the run's is Reject"):
        resolve(request(max_queue=1), entry(), Defaults())
    with pytest.raises(InvalidParameters, match="Queue, but the run's is Skip"):
        resolve(request(max_queue=1, policy=Policy.SKIP), entry(), Defaults())


def limits(said, task=None):
    spec = resolve(said, task or entry(), Defaults())
    return spec.timeout_seconds, spec.soft_timeout_seconds


def test_the_request_sets_the_soft_limit_before_the_task():
    task = entry(soft_timeout_seconds=5)
    assert limits(request(soft_timeout_seconds=9), task) == (None, 9)
    assert limits(request(), task) == (None, 5)
    assert limits(request()) == (None, None)


def test_a_soft_limit_of_the_task_that_would_never_be_reached_means_nothing():
    task = entry(timeout_seconds=60, soft_timeout_seconds=5)
    assert limits(request(), task) == (60, 5)
    assert limits(request(timeout_seconds=5), task) == (5, None)


@pytest.mark.parametrize("door", [Door.REST, Door.KUBECTL])
@pytest.mark.parametrize("soft", [7.5, 8])
def test_a_request_whose_soft_limit_would_never_be_reached_is_refused(door, soft):
    with pytest.raises(InvalidParameters, match=f"softTimeoutSeconds .{soft}.*timeoutSeconds .7.5"):
        limits(request(door=door, soft_timeout_seconds=soft), entry(timeout_seconds=7.5))


def test_a_producers_soft_limit_that_would_never_be_reached_is_taken_as_by_celery():
    said = request(door=Door.PRODUCER, timeout_seconds=7, soft_timeout_seconds=7)
    assert limits(said) == (7, None)


def test_out_of_the_box_one_task_runs_at_a_time():
    one = resolve(request(task="a"), None, Defaults())
    other = resolve(request(task="b"), None, Defaults())
    assert one.lock == other.lock == "default/default"


def test_a_lock_template_is_filled_from_parameters_and_their_defaults():
    task = entry(lock="report/{year}-{month}")
    assert resolve(request(), task, Defaults()).lock == "default/report/2026-10"


def test_positional_arguments_fill_a_template_by_name():
    spec = resolve(request(params={}), entry(lock="{month}"), Defaults(), {"month": "07"})
    assert spec.lock == "default/07"


def test_a_wrong_type_is_refused_with_the_parameters_name():
    with pytest.raises(InvalidParameters, match=r"params\.month"):
        check_parameters(request(params={"month": 10}), entry())


@pytest.mark.parametrize("params", [{}, {"month": "10", "extra": 1}])
def test_missing_and_unknown_parameters_are_refused(params):
    with pytest.raises(InvalidParameters, match=r"month|extra"):
        check_parameters(request(params=params), entry())


def test_parameters_above_the_limit_are_refused_with_both_sizes():
    with pytest.raises(ParametersTooLarge, match=str(MAX_PARAMETERS_BYTES)):
        check_parameters(request(params={"month": "x" * MAX_PARAMETERS_BYTES}), entry())


def test_parameters_that_are_not_json_are_refused_with_the_type():
    with pytest.raises(EncodeError, match="set"):
        check_parameters(request(params={"month": {1, 2}}), entry())


def test_a_catalogue_entry_survives_its_way_through_the_ledger():
    said = {"timeout_seconds": 5, "soft_timeout_seconds": 3, "queue": "slow"}
    task = entry(policy=Policy.REPLACE, lock="x/{month}", **said)
    assert CatalogueEntry.from_json(task.to_json()) == task


@pytest.mark.parametrize("queue", ["{st}:meta", "unacked_index", "a b", "", "x" * 129])
def test_a_queue_whose_name_could_be_another_key_is_refused(queue):
    if queue:
        with pytest.raises(InvalidParameters, match="queue"):
            resolve(request(queue=queue), entry(), Defaults())
    else:
        assert resolve(request(queue=queue), entry(), Defaults()).queue == "celery"


def test_the_same_id_with_other_content_has_another_fingerprint():
    one = resolve(request(), entry(), Defaults())
    same = resolve(request(run_id="r2"), entry(), Defaults())
    other = resolve(request(params={"month": "11"}), entry(), Defaults())
    assert one.fingerprint == same.fingerprint != other.fingerprint
