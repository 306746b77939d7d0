"""What `install` does to a Celery app, without a worker."""

import pickle

import pytest
from celery import Celery, Task
from celery.app.defaults import NAMESPACES, flatten
from celery.backends.base import DisabledBackend
from celery.backends.redis import RedisBackend

from singletrack import task
from singletrack.errors import ConfigurationError
from singletrack.settings import Settings
from singletrack.tasks import declaration_of
from singletrack_worker import install
from singletrack_worker.gated_task import GatedTask
from singletrack_worker.result_backend import LedgerBackend
from singletrack_worker.routing import Routes, is_for_gated_tasks_only


@task(name="tests.gated", lock="x", queue="slow", time_limit=5, soft_time_limit=3)
def gated() -> None: ...


@task(name="tests.elsewhere")
def elsewhere() -> None: ...


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:secret@localhost:1/0")


def an_app(gate="declared", **conf):
    app = Celery("tests", set_as_current=False)
    app.conf.update(conf)
    return with_tasks(install(app, gate))


def with_tasks(app):
    @app.task(name="tests.foreign", time_limit=7, acks_late=True, shared=False)
    def foreign() -> None: ...

    app.finalize()
    return app


@pytest.fixture
def app():
    return an_app()


def passing(app):
    found = {t.name for t in app.tasks.values() if t.Request.endswith(":GatedRequest")}
    return found & {"tests.gated", "tests.foreign", "celery.chain"}


def test_a_declared_task_passes_the_gate_and_another_does_not(app):
    assert passing(app) == {"tests.gated"}


def test_every_task_but_celerys_own_may_pass_the_gate():
    app = an_app("all")
    assert passing(app) == {"tests.gated", "tests.foreign"}
    assert declaration_of(app.tasks["tests.foreign"]).lock is None
    assert not app.tasks["tests.foreign"].acks_late


def test_another_word_for_the_gate_is_refused_with_the_two_there_are():
    with pytest.raises(ConfigurationError, match='"declared" or "all"'):
        install(Celery("tests", set_as_current=False), "some")


#: Settings a project may have made, none of them Celery's default.
OF_A_PROJECT = {
    "broker_url": "amqp://guest@localhost:1//",
    "result_backend": "redis://localhost:1/7",
    "task_default_queue": "shop",
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "task_track_started": True,
    "task_serializer": "pickle",
    "result_serializer": "pickle",
    "accept_content": ["pickle", "json"],
    "worker_prefetch_multiplier": 9,
    "worker_send_task_events": True,
    "worker_hijack_root_logger": True,
    "broker_connection_max_retries": 3,
    "broker_transport_options": {"visibility_timeout": 99},
}


def test_no_setting_of_the_app_changes_but_a_route_in_front():
    assert changed_settings(an_app(**OF_A_PROJECT), **OF_A_PROJECT) == {"task_routes"}


def changed_settings(app, **conf):
    bare = Celery("bare", set_as_current=False)
    bare.conf.update(conf)
    names = [option[0] for option in flatten(NAMESPACES)]
    return {name for name in names if app.conf.get(name) != bare.conf.get(name)}


def test_an_app_without_settings_gets_a_broker_and_nothing_else():
    app = an_app()
    assert changed_settings(app) == {"broker_url", "task_routes"}
    assert app.conf.broker_url == "redis://:secret@localhost:1/0"


def test_an_app_may_read_its_settings_after_it_was_installed():
    app = install(Celery("tests", set_as_current=False))
    app.config_from_object({"broker_url": "amqp://elsewhere//", "task_default_queue": "shop"})
    with_tasks(app)
    assert app.conf.broker_url == "amqp://elsewhere//"
    assert Routes(app).queue_of(app.tasks["tests.gated"]) == "slow"


def test_an_app_that_is_finished_already_may_be_installed():
    app = with_tasks(Celery("tests", set_as_current=False))
    assert app.amqp.router is not None
    assert passing(install(app)) == {"tests.gated"}
    route = app.amqp.router.route({}, "tests.gated", task_type=app.tasks["tests.gated"])
    assert route["queue"].name == "slow"


def test_what_an_app_says_of_all_its_tasks_is_not_meant_for_declared_ones():
    app = an_app(**OF_A_PROJECT)
    ours, foreign = app.tasks["tests.gated"], app.tasks["tests.foreign"]
    attributes = ("acks_late", "reject_on_worker_lost", "ignore_result", "serializer")
    assert [getattr(ours, name) for name in attributes] == [False, False, False, "json"]
    assert [getattr(foreign, name) for name in attributes] == [True, True, True, "pickle"]


def test_celerys_time_limits_become_our_deadlines_for_declared_tasks_only(app):
    ours = app.tasks["tests.gated"]
    assert (ours.time_limit, ours.soft_time_limit) == (None, None)
    assert declaration_of(ours).timeout_seconds == 5
    assert declaration_of(ours).soft_timeout_seconds == 3
    assert app.tasks["tests.foreign"].time_limit == 7


def test_the_apps_own_time_limits_become_the_deadlines_of_a_task_that_says_none():
    app = an_app(task_time_limit=11, task_soft_time_limit=7)
    declared = declaration_of(app.tasks["tests.elsewhere"])
    assert (declared.timeout_seconds, declared.soft_timeout_seconds) == (11, 7)


def test_a_time_limit_of_zero_is_none_as_for_celery():
    app = an_app(task_time_limit=0, task_soft_time_limit=0)
    declared = declaration_of(app.tasks["tests.elsewhere"])
    assert (declared.timeout_seconds, declared.soft_timeout_seconds) == (None, None)


def test_a_declared_task_keeps_its_class_and_its_name(app):
    ours = app.tasks["tests.gated"]
    assert isinstance(ours, GatedTask)
    assert isinstance(ours, app.Task)
    assert (ours.name, type(ours).__name__, ours.__module__) == ("tests.gated", "gated", __name__)
    again = pickle.loads(pickle.dumps(ours))  # noqa: S301 - what was pickled the line before
    assert again.name == "tests.gated"


def test_a_class_of_tasks_passes_the_gate_when_it_is_registered(app):
    @task(name="tests.of_a_class", lock="books/{isbn}", timeout=9)
    class Import(Task):
        def run(self, isbn: str) -> str:
            return isbn

    registered = app.register_task(Import())
    assert isinstance(registered, GatedTask)
    assert declaration_of(registered).lock == "books/{isbn}"
    assert registered("1") == "1"


def test_a_declared_queue_is_where_its_messages_go(app):
    route = app.amqp.router.route({}, "tests.gated", task_type=app.tasks["tests.gated"])
    assert route["queue"].name == "slow"


def test_the_apps_own_routes_hold_for_a_declared_task_without_a_queue():
    app = an_app(task_routes={"tests.*": {"queue": "books"}}, task_default_queue="shop")
    queues = {name: Routes(app).queue_of(app.tasks[name]) for name in app.tasks}
    assert queues["tests.elsewhere"] == queues["tests.foreign"] == "books"
    assert queues["tests.gated"] == "slow"
    assert queues["celery.chain"] == "shop"


def test_asking_for_a_queue_does_not_make_the_worker_consume_it(app):
    Routes(app).queue_of(app.tasks["tests.gated"])
    assert list(app.amqp.queues.consume_from) == ["celery"]


@pytest.mark.parametrize(
    ("gate", "queues", "only"),
    [
        ("declared", None, False),
        ("declared", "slow", True),
        ("declared", ["slow", "celery"], False),
        ("declared", "nobodys", False),
        ("all", None, True),
    ],
)
def test_a_worker_fetches_one_at_a_time_where_only_gated_tasks_come(gate, queues, only):
    assert is_for_gated_tasks_only(an_app(gate), queues) is only


def test_a_router_that_needs_the_arguments_is_no_reason_to_fail():
    app = an_app(task_routes=[lambda name, args, *_, **__: {"queue": args[0]}])
    assert Routes(app).queue_of(app.tasks["tests.foreign"]) is None
    assert not is_for_gated_tasks_only(app, "slow")


def test_nothing_is_connected_by_installing(app):
    assert app.pool.limit is not None  # a pool, but no connection in it
    assert not app.pool._dirty


def test_a_declared_task_answers_from_the_ledger_and_another_from_the_apps_own_backend():
    app = an_app(result_backend="redis://localhost:1/7")
    assert isinstance(app.tasks["tests.gated"].backend, LedgerBackend)
    assert isinstance(app.tasks["tests.gated"].AsyncResult("id").backend, LedgerBackend)
    assert isinstance(app.tasks["tests.foreign"].backend, RedisBackend)
    assert app.backend.as_uri() == "redis://localhost:1/7"


def test_an_app_without_a_result_backend_still_has_none(app):
    assert isinstance(app.backend, DisabledBackend)


def test_a_pickled_result_finds_the_apps_own_backend_again():
    app = an_app(result_backend="redis://localhost:1/7")
    _function, (kind, *_), *_ = app.backend.__reduce__()
    assert kind is RedisBackend


def test_the_backend_never_shows_the_password(app):
    assert "secret" not in app.tasks["tests.gated"].backend.as_uri()


def test_settings_may_be_handed_over(monkeypatch):
    app = Celery("tests", set_as_current=False)
    monkeypatch.setenv("REDIS_URL", "redis://other:1")
    install(app, settings=Settings())
    assert app.conf.broker_url == "redis://other:1"
