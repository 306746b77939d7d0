"""What each part may do on the ledger's server: one Redis user for each role, as ACL rules.

Functions run with their caller's rights, so a role is a list of functions and of the data commands
those use. Whoever holds these commands could do without the functions: the rules keep a part from
what is not its business and from harming the server; they are no border between tasks.

A role has none of the commands that run scripts, load functions, change settings, list all keys or
empty a database. The functions are loaded by `LOADER`, which runs no task and serves nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from singletrack.adapters.redis_ledger import library
from singletrack.adapters.redis_ledger.keys import Keys
from singletrack.adapters.redis_ledger.server import version_of


class Role(StrEnum):
    """A part of the platform, as its server knows it."""

    API = "api"
    OPERATOR = "operator"
    WORKER = "worker"
    LOADER = "loader"


_READS = {
    "get_lock",
    "get_pauses",
    "get_queue",
    "get_run",
    "latest_run",
    "list_due",
    "list_forgettable",
    "list_leases",
    "list_locks",
    "list_namespaces",
    "list_overdue",
    "list_paused_queues",
    "list_runs",
    "list_tasks",
    "list_unprojected",
    "list_waiting_locks",
    "preview",
    "read_counters",
    "read_server",
}
_UPKEEP = {
    "add_up",
    "agent_gone",
    "bless",
    "expire",
    "expire_wait",
    "forget",
    "promote",
    "published",
    "unbless",
}
_DOOR = {"cancel", "confirm_dead", "prioritise", "submit"}

#: The operations of each role. The API runs the upkeep where there is no operator.
OPERATIONS: Mapping[Role, frozenset[str]] = {
    Role.API: frozenset(
        _READS
        | _UPKEEP
        | _DOOR
        | {
            "delete",
            "pause_lock",
            "pause_queue",
            "release_lock",
            "resume_lock",
            "resume_queue",
        }
    ),
    Role.OPERATOR: frozenset(_READS | _UPKEEP | _DOOR | {"ack_projection", "settle"}),
    Role.WORKER: frozenset(
        {
            "agent_gone",
            "begin",
            "cancel",
            "child_gone",
            "claim",
            "finish",
            "get_run",
            "list_tasks",
            "not_started",
            "read_server",
            "reassert",
            "register_tasks",
            "renew",
            "report",
            "start",
            "submit",
        }
    ),
    Role.LOADER: frozenset({"read_server", "unbless"}),
}

_CONNECTION = ("auth", "client|setinfo", "client|setname", "hello", "info", "ping", "select")
_DURABLE = ("wait", "waitaof")
#: Celery's own transport: queues, bindings, what is not acknowledged, and its remote control.
_BROKER = (
    *("brpop", "llen", "lpush", "rpop", "rpush"),
    *("sadd", "smembers", "srem"),
    *("hdel", "hget", "hscan", "hset", "zadd", "zrange", "zrem", "zrevrangebyscore"),
    *("del", "exists", "get", "pexpire", "set"),
    *("discard", "exec", "multi", "unwatch", "watch"),
    *("psubscribe", "publish", "punsubscribe", "subscribe", "unsubscribe"),
)
_SINCE_7_2 = frozenset({"+client|setinfo", "+waitaof"})
_COMMANDS: Mapping[Role, Sequence[str]] = {
    Role.API: (*_DURABLE, *_BROKER, "xread", "xrevrange"),
    Role.OPERATOR: (*_DURABLE, *_BROKER, "xread", "xrevrange"),
    Role.WORKER: (*_DURABLE, *_BROKER),
    Role.LOADER: ("config|get", "function|list", "function|load", "hset"),
}

#: Keys of Celery's transport and the results it is told, beside the queues.
_BROKER_KEYS = (
    "_kombu.*",
    "unacked*",
    "*.pidbox*",
    "celeryev*",
    "celery-task-meta-*",
)


def rules(role: Role, prefix: str, queues: Iterable[str], version: str) -> list[str]:
    """The rules of a user, as `ACL SETUSER` takes them; its password is not among them.

    Args:
        role: whose they are.
        prefix: of the ledger's keys (`SINGLETRACK_KEY_PREFIX`).
        queues: the broker queues of this installation, if its broker is the ledger's server.
        version: of the server (`redis_version` of its INFO, also on Valkey), which refuses rules
            about commands that it does not know.
    """
    unknown = _SINCE_7_2 if version_of(version) < (7, 2) else frozenset[str]()
    commands = (rule for rule in _commands(role) if rule not in unknown)
    return ["reset", "on", *_keys(role, prefix, queues), "-@all", *commands]


def _keys(role: Role, prefix: str, queues: Iterable[str]) -> Iterator[str]:
    keys = Keys(prefix)
    yield f"~{keys.base}*"
    yield f"&{keys.wake}"
    if role is not Role.LOADER:
        yield from (f"~{name}" for name in _BROKER_KEYS)
        yield from (f"~{queue}*" for queue in queues)  # with the names of its priorities
        yield from ("&/*.celery.pidbox", "&/*.celeryev")


def _commands(role: Role) -> Iterator[str]:
    plain = {*_CONNECTION, *_COMMANDS[role], *_used_by_functions()}
    yield from (f"+{command}" for command in sorted(plain))
    for operation in sorted(OPERATIONS[role]):
        yield f"+fcall|{library.function_name(operation)}"


def _used_by_functions() -> set[str]:
    return {name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", library.source())}
