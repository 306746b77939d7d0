"""What `install` does to a Celery app, without a worker."""

import pytest
from celery import Celery

from singletrack import task
from singletrack.settings import Settings
from singletrack_worker import install


@task(name="tests.gated", lock="x", queue="slow", time_limit=5)
def gated() -> None: ...


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:secret@localhost:1/0")
    app = install(Celery("tests"), Settings())

    @app.task(name="tests.foreign", time_limit=7, shared=False)
    def foreign() -> None: ...

    app.finalize()
    return app


def test_a_declared_task_passes_the_gate_and_another_does_not(app):
    assert app.tasks["tests.gated"].Request == "singletrack_worker.request:GatedRequest"
    assert app.tasks["tests.foreign"].Request == "celery.worker.request:Request"


def test_celerys_time_limits_are_taken_from_declared_tasks_only(app):
    assert app.tasks["tests.gated"].time_limit is None
    assert app.tasks["tests.foreign"].time_limit == 7


def test_a_declared_queue_is_where_its_messages_go(app):
    route = app.amqp.router.route({}, "tests.gated", task_type=app.tasks["tests.gated"])
    assert route["queue"].name == "slow"


def test_the_broker_is_the_ledgers_server_unless_somebody_says_otherwise(app):
    assert app.conf.broker_url == "redis://:secret@localhost:1/0"


def test_nothing_is_connected_by_installing(app):
    assert app.pool.limit is not None  # a pool, but no connection in it
    assert not app.pool._dirty


def test_the_backend_never_shows_the_password(app):
    assert "secret" not in app.backend.as_uri()


def test_retry_is_refused_with_the_reason(app):
    from singletrack.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="second run"):
        app.tasks["tests.gated"].retry()
