"""What is no message of a task: logged and dropped, where it would end the worker.

kombu's Redis transport takes for granted that whatever lies in a broker's list is its own JSON, and
Celery that a body is a task's. A stray `LPUSH`, or a message cut short, ends the worker with an
"unrecoverable error"; some of them come back to end the next worker. What is a message passes
exactly as before.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default as celerys_own
from kombu.transport import redis, virtual

log = structlog.get_logger()

_SHOWN = 200


class AnyMessage(virtual.Message):
    """A message of whatever was found; what is none is one that Celery knows nobody for."""

    def __init__(self, payload: Any, channel: Any = None, **fields: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("message_unreadable", error=str(error), found=type(payload).__name__)
            super().__init__(_unknown(payload), channel=channel)


class TolerantChannel(redis.Channel):
    """Goes on after an entry that is not even JSON; it is out of the list already."""

    Message = AnyMessage

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc] # the stubs do not have it
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            log.warning("message_unreadable", error=str(error))
            return True


def tolerate_foreign_messages() -> None:
    """Use it for every Redis connection that this process makes from now on."""
    redis.Transport.Channel = TolerantChannel


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy of a task (`Task.Strategy`), behind a look at the body."""
    handle = celerys_own(task, app, consumer, **options)

    def on_message(message: Any, body: Any, *rest: Any, **named: Any) -> Any:
        if body is None and not _is_body(message.payload):
            raise InvalidTaskError("its body is not that of a task")
        return handle(message, body, *rest, **named)

    return on_message


def _is_body(payload: Any) -> bool:
    """Whether it is `[args, kwargs, embed]`, or of protocol 1, which Celery checks itself."""
    if isinstance(payload, dict):
        return "args" in payload
    shape = [list, dict, dict]
    return isinstance(payload, list | tuple) and [type(part) for part in payload] == shape


def _unknown(payload: Any) -> dict[str, Any]:
    text = base64.b64encode(repr(payload)[:_SHOWN].encode()).decode()
    properties = {
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": ""},
        "body_encoding": "base64",
    }
    return {
        "body": text,
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": properties,
    }
