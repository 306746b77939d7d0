"""The message of a run, made by Celery and kombu as a publish would make it, without a connection.

A contract test holds it against a real publish, field by field.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import serialization

from singletrack import traceparent
from singletrack.run import RunSpec
from singletrack.specification import to_header

#: The header of our own messages: the ledger knows their run already. It holds what else has to be
#: known of the run to restore a record that a server has lost.
OURS = "singletrack"

_PERSISTENT = 2
_SHOWN = ("argsrepr", "kwargsrepr", "origin")
_STAMPS = {"stamped_headers": list, "stamps": dict}
_DEFAULT_PORT = 6379


def make_envelope(
    app: Celery,
    spec: RunSpec,
    expires: str | None = None,
    said: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The text kombu's Redis transport would push for this run.

    `expires` is the producer's: the time after which Celery drops the message. `said` are the
    headers of its message; those that show the arguments and the origin are taken over, and the
    stamps by which Celery revokes.
    """
    amqp: Any = app.amqp  # celery-types wants a tuple where Celery's own publish passes a list
    message = amqp.as_task_v2(
        spec.run_id,
        spec.task,
        list(spec.args),
        dict(spec.kwargs),
        expires=expires,
        ignore_result=False,
        **{name: said[name] for name in _SHOWN if isinstance(said.get(name), str)},
    )
    content_type, encoding, body = serialization.dumps(message.body, serializer="json")
    text = body if isinstance(body, bytes) else body.encode(encoding)
    return json.dumps(
        {
            "body": base64.b64encode(text).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": {**message.headers, **_stamps(said), **_own(spec)},
            "properties": {
                **message.properties,
                "delivery_mode": _PERSISTENT,
                "delivery_info": {"exchange": "", "routing_key": spec.queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        },
        default=str,  # AMQP's headers may hold more than JSON has forms for
    )


def _stamps(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name, kind in _STAMPS.items() if isinstance(said.get(name), kind)}


def _own(spec: RunSpec) -> dict[str, Any]:
    """Our header; and the run's place in a trace where every instrumentation of Celery looks."""
    place = {traceparent.NAME: spec.traceparent} if spec.traceparent else {}
    return {OURS: to_header(spec), **place}


def shares_server(broker_url: str, ledger_url: str) -> bool:
    """Whether both URLs name the same Redis database, so that one function can write to both."""
    if not broker_url:
        return True
    return _database(broker_url) == _database(ledger_url)


def _database(url: str) -> tuple[str, str, int, str]:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    host = "localhost" if host == "127.0.0.1" else host
    kind = parts.scheme.removesuffix("s") if parts.scheme in {"redis", "rediss"} else parts.scheme
    return kind, host, parts.port or _DEFAULT_PORT, parts.path.strip("/") or "0"
