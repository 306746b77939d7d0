"""The messages that Celery workers of a Redis broker have taken and not acknowledged.

kombu keeps those of every app that uses a database in one hash, `unacked`; the app with the
shortest visibility timeout gives back the messages of all of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import redis.exceptions as errors

from singletrack.adapters.redis_ledger.connection import UNREACHABLE, visitor
from singletrack.errors import BrokerUnavailable
from singletrack.findings import Finding, warning

_HASH = "unacked"
_MOST = 500


def find_strangers(held: Collection[str], known: Collection[str]) -> Iterator[Finding]:
    """Messages of other apps in the same database; told and not refused, see ADR 0011."""
    strange = sorted(set(held) - set(known))
    if strange:
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        yield warning(
            "another app's messages are in the broker's database "
            f"({', '.join(strange[:3])}{more}): the app with the shortest visibility timeout sends "
            "the others' messages twice, and workers drop what they do not know from a queue "
            "they share",
            "Give Singletrack a database of its own, such as REDIS_URL=redis://host:port/5",
        )


def read_unacknowledged(broker_url: str) -> tuple[str, ...]:
    """The names of the tasks whose messages are held, of a sample of the messages.

    Raises:
        BrokerUnavailable: the broker does not answer, or does not let us look.
    """
    with visitor(broker_url) as client:
        try:
            if client.type(_HASH) != "hash":
                return ()
            _, held = client.hscan(_HASH, count=_MOST)
        except (*UNREACHABLE, errors.RedisError) as error:
            raise BrokerUnavailable(f"the broker's {_HASH!r} cannot be read: {error}") from error
    return tuple(sorted({_task(text) for text in held.values()}))


def _task(text: str) -> str:
    """The task of a held message: `[message, exchange, routing key]`, in either Celery protocol."""
    try:
        message = json.loads(text)[0]
        return str(message["headers"].get("task") or "a task of an old protocol")
    except (ValueError, LookupError, TypeError, AttributeError):
        return "a message that is not Celery's"
