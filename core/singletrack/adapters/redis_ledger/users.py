"""Makes a Redis user for each role, on a server where one may administer.

Changing a user does not end what it has opened: parts go on while they are changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis.exceptions as errors

from singletrack.adapters.redis_ledger.connection import translated, visitor
from singletrack.adapters.redis_ledger.roles import Role

_NO_FILE = "not configured to use an ACL file"


def user_name(role: Role) -> str:
    """The name of a role's user."""
    return f"singletrack-{role}"


def make_users(url: str, users: Mapping[Role, Sequence[str]]) -> bool:
    """Give each role's user exactly these rules; whether the server keeps them over a restart.

    Args:
        url: of the server, as somebody who may administer.
        users: the rules by role, passwords among them as hashes.

    Raises:
        LedgerUnavailable: the server does not answer.
        LedgerRefused: it does not let this one do that, or does not know a rule.
    """
    with translated(url), visitor(url) as client:
        for role, rules in users.items():
            client.execute_command("ACL", "SETUSER", user_name(role), *rules)
        return _saved(client)


def _saved(client: Any) -> bool:
    try:
        client.execute_command("ACL", "SAVE")
    except errors.ResponseError as error:
        if _NO_FILE in str(error):
            return False
        raise
    return True
