"""What every test gets: a clean environment, and the fixtures of `tests/support`.

`pythonpath` in pyproject.toml puts `tests` on the path: `from support.waiting import wait_until`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Projects whose own tests run in processes of their own.
collect_ignore = ["projects"]

pytest_plugins = [
    "support.redis_servers",
    "support.rabbitmq",
    "support.local_platform",
    "support.producers",
    "support.trace_collector",
]

# Without the last, every process a test starts would compile its modules anew.
_FORGOTTEN = {"REDIS_URL", "KUBECONFIG", "PYTHONDONTWRITEBYTECODE"}

# Files are handed out in this order when several processes share the work: where one test takes
# seconds or minutes first, so that none of those begins when everything else is done. Within each
# line the order stays random.
_HANDED_OUT = (
    "conformance/test_ledger_machine.py",
    "integration/faults",
    "integration/cli",
    "guide",
    "chart",
    "integration",
    "mutations",
    "conformance",
    "unit",
)
_TESTS = Path(__file__).parent

# A busy machine is not a failing example.
settings.register_profile("singletrack", deadline=None)
settings.load_profile("singletrack")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment_of_the_session() -> Iterator[None]:
    """Servers and workers that are started for several tests never see the developer's settings."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _forget_settings(monkeypatch)
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a test see what another one has left behind."""
    _forget_settings(monkeypatch)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first (`make test` keeps that order)."""
    items.sort(key=lambda item: _turn(item.path))


def _turn(path: Path) -> int:
    here = path.relative_to(_TESTS)
    turns = (n for n, name in enumerate(_HANDED_OUT) if here.is_relative_to(name))
    return next(turns, len(_HANDED_OUT))


def _forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SINGLETRACK_", "OTEL_")) or name in _FORGOTTEN:
            monkeypatch.delenv(name)
