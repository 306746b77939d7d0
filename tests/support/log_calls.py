"""Every log call of the packages, as their source has it, and what is wrong with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from singletrack.logs.events import Event

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "api", "worker", "operator", "cli")
LOG = "log"

#: Methods of a logger that write a line, and the level it has.
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
}
TRACEBACK = "exc_info"


@dataclass(frozen=True)
class LogCall:
    """One call: the event it names, at which level, with which fields; and where it is."""

    where: str
    event: str
    level: str
    fields: frozenset[str]


@cache
def found() -> tuple[tuple[LogCall, ...], tuple[str, ...]]:
    """All calls of the packages, and what is wrong with other uses of their loggers."""
    modules = [read_calls(path, text) for path, text in sources()]
    calls = tuple(call for calls, _ in modules for call in calls)
    return calls, tuple(offence for _, offences in modules for offence in offences)


def sources(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Each module's path and its text."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield str(path.relative_to(root)), path.read_text()


def read_calls(path: str, text: str) -> tuple[list[LogCall], list[str]]:
    """The log calls of a module, and a sentence about each use of a logger that is not one."""
    calls: list[LogCall] = []
    offences: list[str] = []
    if "get_logger" not in text and "getLogger" not in text:
        return calls, offences
    tree = ast.parse(text)
    makers = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _makes_logger(node)]
    ours = [call for call in makers if _is_ours(call, tree)]
    for call in makers:
        if call not in ours:
            said = f"makes a logger in another way than {LOG} = structlog.get_logger()"
            offences.append(f"{path}:{call.lineno} {said}")
    for name, use in _uses(tree) if ours else ():
        where = f"{path}:{name.lineno}"
        if use is None:
            offences.append(f"{where} {LOG} is used for something else than a call")
        elif wrong := _wrong_form(use):
            offences.append(f"{where} {LOG} {wrong}")
        else:
            calls.append(_read(where, use))
    return calls, offences


def _uses(tree: ast.Module) -> Iterator[tuple[ast.Name, ast.Call | None]]:
    """Each place where the logger is named, with the call of a method of it, if it is for that."""
    nodes = list(ast.walk(tree))
    methods = {id(node.value): node for node in nodes if isinstance(node, ast.Attribute)}
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == LOG:
            yield node, calls.get(id(methods.get(id(node))))


def offences_of(call: LogCall, events: Mapping[str, Event]) -> Iterator[str]:
    """What is wrong with a call, by the declarations."""
    event = events.get(call.event)
    if event is None:
        yield f"{call.where} {call.event} is not declared"
        return
    if call.level != event.level:
        yield f"{call.where} {call.event} is declared as {event.level}, not {call.level}"
    for field in sorted(call.fields - set(event.fields) - {TRACEBACK}):
        yield f"{call.where} {call.event} is declared without {field}"


def _wrong_form(call: ast.Call) -> str:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method not in LEVELS:
        return f"has no level {method!r}"
    literal = len(call.args) == 1 and isinstance(call.args[0], ast.Constant)
    if not literal or not isinstance(call.args[0].value, str):  # type: ignore[attr-defined]
        return "names no event by a literal, or says more than its fields"
    return (
        "has fields that are not written out" if any(k.arg is None for k in call.keywords) else ""
    )


def _read(where: str, call: ast.Call) -> LogCall:
    assert isinstance(call.func, ast.Attribute)
    assert isinstance(call.args[0], ast.Constant)
    fields = frozenset(keyword.arg or "" for keyword in call.keywords)
    return LogCall(where, str(call.args[0].value), LEVELS[call.func.attr], fields)


def _makes_logger(call: ast.Call) -> bool:
    """Whether this is `get_logger()` or `getLogger(__name__)`; others' loggers may be set up."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    own = [ast.unparse(argument) for argument in call.args] == ["__name__"]
    return name in {"get_logger", "get_task_logger"} or (name == "getLogger" and own)


def _is_ours(call: ast.Call, tree: ast.Module) -> bool:
    """Whether it is in `log = structlog.get_logger()` at the top of a module."""
    if ast.unparse(call) != "structlog.get_logger()":
        return False
    assigned = (node for node in tree.body if isinstance(node, ast.Assign))
    return any(node.value is call and ast.unparse(node.targets[0]) == LOG for node in assigned)
