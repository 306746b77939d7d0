"""The Redis function library: assembled from one Lua file per operation, loaded by version.

The transition table, the owning states, the names Celery knows and the tables of the metrics are
written into the library from Python, so there is one copy of each. Function names carry
the version of the wire format (`singletrack_submit_v9`), so an incompatible library can be loaded
beside this one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from singletrack.lifecycle import OWNING, TERMINAL, TRANSITIONS, VIEWS, WAITING, State
from singletrack.metrics import counters
from singletrack.metrics.declarations import LABEL_CAPS

VERSION = 9
NAME = f"singletrack_v{VERSION}"
#: What operations share, in this order; every other file is an operation.
_SHARED = (
    "prelude.lua",
    "counting.lua",
    "adding_up.lua",
    "moving.lua",
    "telling.lua",
    "claiming.lua",
    "ending.lua",
    "deleting.lua",
    "pausing.lua",
    "deciding.lua",
)


def function_name(operation: str) -> str:
    """The server-side name of an operation's function."""
    return f"singletrack_{operation}_v{VERSION}"


@cache
def source() -> str:
    """The whole library as text."""
    folder = files("singletrack.adapters.redis_ledger") / "functions"
    texts = {item.name: item.read_text() for item in folder.iterdir() if item.name.endswith(".lua")}
    shared = [texts.pop(name) for name in _SHARED]
    operations = [f"do\n{texts[name]}end\n" for name in sorted(texts)]
    body = "\n".join([_constants(), *shared, *operations])
    return f"#!lua name={NAME}\n-- digest {hashlib.sha256(body.encode()).hexdigest()}\n{body}"


@cache
def digest() -> str:
    """The line that tells two texts of the same version apart."""
    return source().splitlines()[1]


def _constants() -> str:
    transitions = {
        str(state or ""): {str(target): "true" for target in sorted(targets)}
        for state, targets in TRANSITIONS.items()
    }
    tables = [
        "local PREFIX = 'singletrack_'",
        f"local SUFFIX = '_v{VERSION}'",
        f"local TRANSITIONS = {_table({k: _table(v) for k, v in transitions.items()})}",
        f"local OWNING = {_table({str(state): 'true' for state in sorted(OWNING)})}",
        f"local CELERY = {_table({str(state): _celery(state) for state in sorted(TERMINAL)})}",
        *_counting(),
    ]
    return "\n".join(tables)


def _counting() -> list[str]:
    """The tables of `counting.lua` and `adding_up.lua`."""
    tables: dict[str, Mapping[str, object]] = {
        "BUCKETS": {name: _buckets(bounds) for name, bounds in counters.BUCKETS.items()},
        "FAILURES": dict.fromkeys(map(str, counters.FAILURES), "true"),
        "LABEL_CAPS": LABEL_CAPS,
        "REASONS": dict.fromkeys(counters.REASONS, "true"),
        "WAITING": dict.fromkeys(map(str, sorted(WAITING)), "true"),
    }
    return [f"local {name} = {_table(entries)}" for name, entries in tables.items()]


def _celery(state: State) -> str:
    view = VIEWS[state]
    error = f"'{view.celery_error}'" if view.celery_error else "nil"
    return f"{{status = '{view.celery_stored}', error = {error}}}"


def _buckets(bounds: tuple[float, ...]) -> str:
    """Each bucket's upper bound in milliseconds, and its label."""
    each = [f"{{{bound * 1000:g}, '|le={bound:g}'}}" for bound in bounds]
    return "{" + ", ".join([*each, "{1e300, '|le=+Inf'}"]) + "}"


def _table(entries: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"['{key}'] = {value}" for key, value in entries.items()) + "}"
