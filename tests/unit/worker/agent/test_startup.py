import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from singletrack.settings import (
    BrokerSettings,
    Durability,
    LeaseSettings,
    LedgerSettings,
    RunSettings,
    ScopeSettings,
    Settings,
)
from singletrack_worker.agent import startup
from singletrack_worker.agent.startup import Orders

ROOT = Path(__file__).parents[4]

SETTINGS = Settings(
    ledger=LedgerSettings.model_validate(
        {"REDIS_URL": "redis://:secret@h:1/2", "key_prefix": "x", "durability": Durability.RELAXED}
    ),
    broker=BrokerSettings(broker_url="amqp://b"),
    lease=LeaseSettings(lease_seconds=3.5, renew_seconds=0.5, fence_seconds=1.0),
    run=RunSettings(cancel_grace_seconds=1.5),
    served=ScopeSettings(scope=("shop", "mails")),
)


def test_orders_survive_the_environment():
    with socket.socket() as listening:
        orders = Orders.for_worker("w@h", Path("/tmp/a/agent.sock"), listening)
    assert Orders.read(orders.write()) == orders
    assert orders.main_pid == os.getpid()


def test_two_agents_of_one_worker_have_different_names():
    with socket.socket() as listening:
        first = Orders.for_worker("w@h", Path("a"), listening)
        second = Orders.for_worker("w@h", Path("a"), listening)
    assert first.name != second.name


def test_the_mark_is_what_mains_descendants_find_in_their_environment():
    with socket.socket() as listening:
        orders = Orders.for_worker("w@h", Path("/tmp/a/agent.sock"), listening)
    assert orders.mark == f"{startup.ADDRESS}=/tmp/a/agent.sock".encode()


def test_the_agent_reads_the_settings_main_has(monkeypatch: pytest.MonkeyPatch):
    for name, value in startup.write_settings(SETTINGS).items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert read == SETTINGS


def test_every_setting_can_be_handed_over():
    groups = [getattr(SETTINGS, name) for name in type(SETTINGS).model_fields]
    assert all(isinstance(group, BaseSettings) for group in groups)
    written = startup.write_settings(SETTINGS)
    assert set(written) >= {
        "REDIS_URL",
        "SINGLETRACK_KEY_PREFIX",
        "SINGLETRACK_DURABILITY",
        "SINGLETRACK_BROKER_URL",
        "SINGLETRACK_LEASE_SECONDS",
        "SINGLETRACK_RENEW_SECONDS",
        "SINGLETRACK_FENCE_SECONDS",
        "SINGLETRACK_MARGIN_SECONDS",
        "SINGLETRACK_BLESSING_GRACE_SECONDS",
        "SINGLETRACK_CANCEL_GRACE_SECONDS",
        "SINGLETRACK_SCOPE",
    }


def test_what_the_agent_reads_by_itself_is_not_handed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "REDIS_PASSWORD").write_text("secret")
    monkeypatch.setenv("SINGLETRACK_SECRETS", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", "redis://ledger:6379/0")
    settings = Settings()
    assert settings.ledger.redis_url == "redis://:secret@ledger:6379/0"
    assert startup.write_settings(settings) == {}
    changed = settings.model_copy(update={"broker": BrokerSettings(broker_url="amqp://b")})
    assert startup.write_settings(changed) == {"SINGLETRACK_BROKER_URL": "amqp://b"}


def test_the_agent_does_not_load_celery():
    code = (
        "import sys, singletrack_worker.agent.__main__\n"
        "print([name for name in ('celery', 'kombu', 'billiard') if name in sys.modules])"
    )
    paths = os.pathsep.join(str(ROOT / name) for name in ("core", "worker"))
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_an_agent_started_by_hand_says_what_it_is():
    paths = os.pathsep.join(str(ROOT / name) for name in ("core", "worker"))
    result = subprocess.run(
        [sys.executable, "-m", "singletrack_worker.agent"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("the lease agent is started by a worker;")
    assert len(result.stderr.splitlines()) == 1
