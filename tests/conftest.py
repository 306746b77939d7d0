"""What every test gets: a clean environment, and the fixtures of `tests/support`.

`pythonpath` in pyproject.toml puts `tests` on the path: `from support.waiting import wait_until`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Projects whose own tests run in processes of their own.
collect_ignore = ["projects"]

pytest_plugins = ["support.redis_servers", "support.local_platform"]

# Without the last, every process a test starts would compile its modules anew.
_FORGOTTEN = {"REDIS_URL", "KUBECONFIG", "PYTHONDONTWRITEBYTECODE"}

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


def _forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SINGLETRACK_") or name in _FORGOTTEN:
            monkeypatch.delenv(name)
