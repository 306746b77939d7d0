"""The time as the ledger's functions read it, in a test's hands.

The function library is loaded with one line changed, which asks a key. Everybody else takes it for
the library of this release, so a platform's workers and upkeep go by the same clock.
"""

from __future__ import annotations

from typing import Any

from singletrack.adapters.redis_ledger import library

_ASKED = "local t = redis.call('TIME')"


def set_apart(client: Any, key: str) -> None:
    """From now on the functions read the server's clock and add so many microseconds."""
    _load(client, f"{_ASKED}; t[2] = t[2] + (redis.call('GET', '{key}') or 0)")


def held(client: Any, key: str) -> None:
    """From now on the functions read so many microseconds, and no clock."""
    _load(client, f"local t = {{ 0, redis.call('GET', '{key}') or 0 }}")


def given_back(client: Any) -> None:
    """From now on the functions read the server's clock again."""
    _load(client, _ASKED)


def _load(client: Any, asked: str) -> None:
    source = library.source()
    assert source.count(_ASKED) == 1, "the functions ask for the time in one place"
    client.function_load(source.replace(_ASKED, asked), replace=True)
