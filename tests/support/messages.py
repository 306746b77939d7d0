"""Broker messages as foreign clients write them: raw JSON, without a line of Celery.

`node_style` is what celery-node sends (protocol 2), `php_style` what celery-php sends (protocol 1).
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any


def node_style(
    task: str, kwargs: dict[str, Any] | None = None, *, run_id: str = "", args: tuple[Any, ...] = ()
) -> str:
    """A message of protocol 2: the headers say what, the body holds the arguments."""
    run_id = run_id or str(uuid.uuid4())
    headers = {
        "lang": "js",
        "task": task,
        "id": run_id,
        "root_id": run_id,
        "parent_id": None,
        "group": None,
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": "1@node",
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
    }
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return envelope(json.dumps([list(args), kwargs or {}, embed]), run_id, headers)


def php_style(
    task: str, kwargs: dict[str, Any] | None = None, *, run_id: str = "", args: tuple[Any, ...] = ()
) -> str:
    """A message of protocol 1: everything is in the body, there are no headers."""
    run_id = run_id or str(uuid.uuid4())
    body = {"id": run_id, "task": task, "args": list(args), "kwargs": kwargs or {}}
    return envelope(json.dumps(body), run_id, {})


def envelope(body: str, run_id: str, headers: dict[str, Any]) -> str:
    """What lies in the broker's list."""
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": {
                "correlation_id": run_id,
                "reply_to": str(uuid.uuid4()),
                "body_encoding": "base64",
                "delivery_info": {"exchange": "celery", "routing_key": "celery", "priority": 0},
                "delivery_mode": 2,
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )
