"""Whether a Redis user may run scripts; the ledger needs none, Celery's transport some."""

from __future__ import annotations

from typing import Any

import redis
import redis.exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

_TIMEOUT_SECONDS = 3.0
_NO_SCRIPT = "0" * 40


def may_run_scripts(url: str) -> bool:
    """Whether the user in a server's URL may; a server that does not answer says nothing."""
    client: Any = redis.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
    )
    with client:
        try:
            client.evalsha(_NO_SCRIPT, 0)
        except errors.NoPermissionError:
            return False
        except (errors.RedisError, OSError):
            return True
    return True
