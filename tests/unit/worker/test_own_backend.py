"""The app's own result backend, when the ledger cannot be asked."""

import pytest
from celery import Celery
from celery.exceptions import TimeoutError as CeleryTimeoutError

from singletrack.errors import LedgerUnavailable
from singletrack_worker import install
from singletrack_worker.result_backend import LedgerBackend


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://localhost:1/0")
    return install(Celery("own", set_as_current=False, backend="cache+memory://"))


@pytest.fixture
def asked(monkeypatch):
    ids = []

    def find(self, task_id):
        ids.append(task_id)
        raise LedgerUnavailable

    monkeypatch.setattr(LedgerBackend, "find", find)
    return ids


def test_what_the_own_backend_knows_needs_no_ledger(app, asked):
    app.backend.store_result("done", 7, "SUCCESS")
    assert app.AsyncResult("done").get(timeout=5) == 7
    assert app.AsyncResult("done").status == "SUCCESS"
    assert asked == []


def test_what_it_does_not_know_is_pending_as_before(app, asked):
    assert app.AsyncResult("nobody").status == "PENDING"
    with pytest.raises(CeleryTimeoutError):
        app.AsyncResult("nobody").get(timeout=0.2)


def test_a_ledger_that_does_not_answer_is_not_asked_at_every_look(app, asked):
    for _ in range(5):
        assert app.AsyncResult("nobody").status == "PENDING"
    assert asked == ["nobody"]


def test_without_a_backend_celery_says_so_as_before(monkeypatch, asked):
    monkeypatch.setenv("REDIS_URL", "redis://localhost:1/0")
    bare, app = (Celery("none", set_as_current=False) for _ in range(2))
    errors = []
    for each in (bare, install(app)):
        with pytest.raises(Exception, match="No result backend is configured") as caught:
            each.AsyncResult("nobody").get(timeout=0.1)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_without_a_backend_a_run_is_found_by_its_id(app, monkeypatch):
    meta = {"task_id": "run", "status": "SUCCESS", "result": 8, "traceback": None, "children": []}
    monkeypatch.setattr(LedgerBackend, "find", lambda self, task_id: meta)
    bare = install(Celery("none", set_as_current=False))
    assert bare.AsyncResult("run").status == "SUCCESS"
    assert bare.AsyncResult("run").get(timeout=5) == 8
