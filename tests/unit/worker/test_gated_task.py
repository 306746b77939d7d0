"""What a task behind the gate refuses in the producer's call, before anything is sent."""

import pytest
import structlog
from celery import Celery, Task, chain, chord, group

from singletrack import context, logs, task
from singletrack.errors import NotSupported
from singletrack_worker import install
from singletrack_worker.gated_task import GatedTask


class Audited(Task):
    """A project's own base class."""

    calls: list = []  # noqa: RUF012 - what a project would write

    def __call__(self, *args, **kwargs):
        self.calls.append("call")
        return super().__call__(*args, **kwargs)

    def before_start(self, task_id, args, kwargs):
        self.calls.append("before_start")

    def on_success(self, retval, task_id, args, kwargs):
        self.calls.append("on_success")


@task(name="gated.pay", bind=True, base=Audited, lock="orders/{order}")
def pay(self, order: int) -> dict:
    return {"order": order, "task": self.name, "running": context.running}


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://localhost:1/0")
    app = install(Celery("gated", broker="memory://", backend="cache+memory://"))

    @app.task(name="gated.plain", shared=False)
    def plain(*args):
        return args

    app.finalize()
    Audited.calls.clear()
    return app


@pytest.fixture
def paying(app):
    return app.tasks["gated.pay"]


@pytest.fixture
def plain(app):
    return app.tasks["gated.plain"]


CANVAS = {
    "pay | plain": lambda pay, plain: pay.s(1) | plain.s(),
    "plain | pay": lambda pay, plain: plain.s() | pay.s(),
    "chain": lambda pay, plain: chain(plain.s(), pay.s(), plain.s()).apply_async(),
    "chain of chains": lambda pay, plain: (plain.s() | plain.s() | pay.si(1)).apply_async(),
    "group": lambda pay, plain: group(pay.s(1), plain.s()).apply_async(),
    "chord header": lambda pay, plain: chord([pay.s(1), plain.s()])(plain.s()),
    "chord body": lambda pay, plain: chord([plain.s(), plain.s()])(pay.s()),
    "link of a signature": lambda pay, plain: pay.s(1).link(plain.s()),
    "link_error of a signature": lambda pay, plain: pay.s(1).link_error(plain.s()),
    "on_error": lambda pay, plain: pay.s(1).on_error(plain.s()),
    "link": lambda pay, plain: pay.apply_async((1,), link=plain.s()),
    "link_error": lambda pay, plain: pay.apply_async((1,), link_error=plain.s()),
    "map": lambda pay, plain: pay.map([1, 2]),
    "starmap": lambda pay, plain: pay.starmap([(1,), (2,)]),
    "chunks": lambda pay, plain: pay.chunks([(1,), (2,)], 1),
    "replace": lambda pay, plain: pay.replace(plain.s()),
    "add_to_chord": lambda pay, plain: pay.add_to_chord(plain.s()),
    "retry": lambda pay, plain: pay.retry(args=(2,)),
    "pickle": lambda pay, plain: pay.apply_async((1,), serializer="pickle"),
}


@pytest.mark.parametrize("use", CANVAS.values(), ids=CANVAS)
def test_what_the_gate_refuses_is_refused_before_anything_is_sent(app, paying, plain, use):
    with pytest.raises(NotSupported, match=r"'gated\.pay' passes the gate, which refuses"):
        use(paying, plain)
    with app.connection_for_read() as connection:
        assert connection.SimpleQueue("celery").qsize() == 0


def test_a_signature_alone_is_as_good_as_the_call(app, paying):
    app.conf.task_always_eager = True
    assert paying.s(3).delay().get()["order"] == 3
    assert paying.s().apply_async((4,), {}).get()["order"] == 4
    assert paying.signature((5,)).clone()() == {
        "order": 5,
        "task": "gated.pay",
        "running": False,
    }


def test_canvas_of_other_tasks_is_celerys_own(app, plain):
    app.conf.task_always_eager = True
    assert (plain.s(1) | plain.s()).apply_async().get() == ((1,),)
    assert group(plain.s(1), plain.s(2)).apply_async().get() == [(1,), (2,)]


def test_a_projects_base_class_and_its_hooks_stay(app, paying):
    app.conf.task_always_eager = True
    assert isinstance(paying, Audited)
    paying.delay(1)
    assert Audited.calls == ["before_start", "call", "on_success"]


@pytest.fixture
def users_own_logging():
    """As in a producer, which has called `install(app)`."""
    structlog.reset_defaults()
    logs.join()
    yield
    structlog.reset_defaults()


def test_a_task_executed_in_the_callers_process_says_once_what_is_missing(
    app, paying, monkeypatch, caplog, users_own_logging
):
    monkeypatch.setattr(GatedTask, "_said_eager", False)
    app.conf.task_always_eager = True
    assert paying.delay(1).get()["running"] is False
    paying.apply((2,))
    said = [record.message for record in caplog.records if "gated.pay" in record.message]
    assert len(said) == 1
    assert "without its lock, its timeout and a record" in said[0]


def test_celerys_own_dispatch_of_a_link_is_left_to_the_gate(app, paying, plain):
    """In a worker an error here would break the task that has just succeeded."""
    paying.apply_async((1,), link=plain.s(), parent_id="p")
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        message = queue.get_nowait()
        message.ack()
        queue.close()
    assert message.headers["task"] == "gated.pay"
