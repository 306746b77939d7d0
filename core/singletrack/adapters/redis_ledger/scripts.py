"""Whether a Redis user may run scripts; the ledger needs none, Celery's transport some."""

from __future__ import annotations

import redis.exceptions as errors

from singletrack.adapters.redis_ledger.connection import UNREACHABLE, visitor

_NO_SCRIPT = "0" * 40


def may_run_scripts(url: str) -> bool:
    """Whether the user in a server's URL may; a server that does not answer says nothing."""
    with visitor(url) as client:
        try:
            client.evalsha(_NO_SCRIPT, 0)
        except errors.NoPermissionError:
            return False
        except (*UNREACHABLE, errors.RedisError):
            return True
    return True
