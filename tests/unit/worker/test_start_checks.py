"""What keeps a worker from starting."""

import pytest
from celery.concurrency.base import BasePool
from celery.concurrency.prefork import TaskPool
from celery.concurrency.solo import TaskPool as SoloPool
from celery.concurrency.thread import TaskPool as ThreadPool

from singletrack.errors import ConfigurationError
from singletrack.findings import Severity, error, warning
from singletrack_worker.start_checks import (
    find_other_broker,
    find_unknown_celery,
    find_wrong_pool,
    find_wrong_pool_option,
    refuse,
)


def pool_of(name):
    """Their modules need libraries that are not here."""
    return type("TaskPool", (BasePool,), {"__module__": f"celery.concurrency.{name}"})


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (pool_of("eventlet"), "eventlet"),
        (pool_of("gevent"), "gevent"),
        (ThreadPool, "thread"),
        (SoloPool, "solo"),
    ],
)
def test_a_pool_whose_tasks_are_no_processes_is_refused_by_name(pool, name):
    [found] = find_wrong_pool(pool)
    assert found.problem == f"the pool {name} cannot stop a task"
    assert "--pool=prefork" in found.remedy


def test_prefork_and_what_is_made_of_it_is_accepted():
    assert list(find_wrong_pool(TaskPool)) == []
    assert list(find_wrong_pool(type("Own", (TaskPool,), {}))) == []


@pytest.mark.parametrize("name", ["eventlet", "gevent", "threads", "solo"])
@pytest.mark.parametrize("form", [["-P", "{}"], ["-P{}"], ["--pool", "{}"], ["--pool={}"]])
def test_the_option_is_refused_in_each_of_its_forms(name, form):
    [found] = find_wrong_pool_option(["-c", "2", *(word.format(name) for word in form)])
    assert name in found.problem


@pytest.mark.parametrize("words", [[], ["-c", "2"], ["-P", "prefork"], ["--pool=processes"]])
def test_other_options_are_left_to_celery(words):
    assert list(find_wrong_pool_option(words)) == []


def test_a_known_celery_is_accepted():
    assert list(find_unknown_celery("5.7.3", "")) == []


@pytest.mark.parametrize("version", ["5.8.0", "5.70.1", "6.0.0rc1", "5.6.2"])
def test_another_minor_of_celery_is_refused_with_both_ways_out(version):
    [found] = find_unknown_celery(version, "")
    assert found.severity is Severity.ERROR
    assert "celery~=5.7.0" in found.remedy
    assert f"SINGLETRACK_UNTESTED_CELERY={'.'.join(version.split('.')[:2])}" in found.remedy


def test_only_the_minor_that_was_named_is_accepted_at_ones_own_risk():
    [found] = find_unknown_celery("5.8.1", "5.8")
    assert found.severity is Severity.WARNING
    [found] = find_unknown_celery("5.9.0", "5.8")
    assert found.severity is Severity.ERROR


def test_an_error_refuses_and_a_warning_is_handed_back():
    mild = warning("it leaks", "Mend it")
    assert refuse([mild]) == [mild]
    with pytest.raises(ConfigurationError, match=r"it burns\. Run"):
        refuse([mild, error("it burns", "Run")])


@pytest.mark.parametrize(
    ("used", "named"),
    [
        ("redis://:secret@127.0.0.1:6379/0", "redis://localhost"),
        ("amqp://shop@rabbit//", "amqp://shop@rabbit//"),
        ("", "redis://localhost"),
    ],
)
def test_the_broker_the_upkeep_knows_is_accepted(used, named):
    assert list(find_other_broker(used, named)) == []


@pytest.mark.parametrize("used", ["amqp://shop:secret@rabbit//", "redis://:secret@localhost/3"])
def test_a_broker_the_upkeep_does_not_know_is_refused_without_its_password(used):
    [found] = find_other_broker(used, "redis://localhost")
    assert "SINGLETRACK_BROKER_URL" in found.remedy
    assert "secret" not in str(found)
    with pytest.raises(ConfigurationError, match="where no worker looks"):
        refuse([found])
