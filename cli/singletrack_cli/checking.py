"""What is looked at before anything is started; each finding is a sentence with its remedy.

Quick looks come first and are made here; what needs the user's modules or large clients is done by
`inspecting`, in a process that ends again.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import importlib.util
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from singletrack_cli.controlplane import ports
from singletrack_cli.errors import CannotStart
from singletrack_cli.options import Options
from singletrack_cli.processes import tethered
from singletrack_cli.task_modules import DeclaredTask, TaskModules

_NEEDED = {"singletrack_api": "fastapi", "singletrack_worker": "celery"}
_NEEDED_WITH_OPERATOR = {"singletrack_operator": "kopf"}
_IGNORE = "*\n"  # so that git never offers to commit passwords


def check(options: Options) -> None:
    """What can be seen at once.

    Raises:
        CannotStart: something is missing, taken, or contradicts itself.
    """
    if sys.platform != "linux":
        raise CannotStart("`singletrack up` needs Linux, for its way of watching processes")
    if options.install_crd and options.kubeconfig is None:
        raise CannotStart(
            "--install-crd is for a given cluster (--kubeconfig FILE); the private one of "
            "--kubernetes gets the resource anyway"
        )
    if options.kubeconfig is not None and not options.kubeconfig.is_file():
        raise CannotStart(f"--kubeconfig: there is no file {options.kubeconfig}")
    if options.api_port:
        check_port(options.api_port)
    _check_installed(_NEEDED | (_NEEDED_WITH_OPERATOR if options.with_operator else {}))
    if not all(options.modules):
        raise CannotStart(f"--tasks {options.tasks!r} has an empty name; write module,module")


def check_port(port: int) -> None:
    """See that the API can listen there.

    Raises:
        CannotStart: it is taken, or not for us.
    """
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise CannotStart(
                f"the API cannot listen on port {port}: {error.strerror}; choose another one with "
                "--api-port"
            ) from error
        raise CannotStart(
            f"port {port} is taken by another program; stop that one, or choose another port with "
            "--api-port (0 takes any free one)"
        ) from error


def free_port() -> int:
    """A port that is free now.

    Raises:
        CannotStart: none was found.
    """
    for port in ports.candidates(Path(os.devnull)):
        return port
    raise CannotStart("there is no free port on this machine")


@contextmanager
def only_user_of(folder: Path) -> Iterator[None]:
    """Make the data folder, and hold it: two platforms on the same data would ruin it.

    Raises:
        CannotStart: another `up` holds it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise CannotStart(
            f"data cannot be kept in {folder}: {error.strerror}; choose another folder with --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(_held(folder)) from None
        (folder / ".gitignore").write_text(_IGNORE)
        yield


async def inspect_tasks(options: Options, environ: Mapping[str, str]) -> TaskModules:
    """Import the task modules elsewhere.

    Raises:
        CannotStart: one does not exist, or its code fails.
    """
    # As the worker will: with its environment, and the current folder on the module path.
    found = await inspect("tasks", ",".join(options.modules), environ)
    return TaskModules(
        tasks=tuple(DeclaredTask(**task) for task in found["tasks"]),
        files=tuple(Path(file) for file in found["files"]),
    )


async def find_valkey(environ: Mapping[str, str]) -> Path:
    """The program of the embedded server.

    Raises:
        CannotStart: the wheel is not installed, or has nothing for this machine.
    """
    return Path((await inspect("valkey", "", environ))["program"])


async def check_server(url: str, environ: Mapping[str, str]) -> str:
    """What a given Redis or Valkey is, in words.

    Raises:
        CannotStart: it does not answer, or would break the promise; names the setting and the fix.
    """
    try:
        return str((await inspect("ledger", "", {**environ, "REDIS_URL": url}))["summary"])
    except CannotStart as error:
        raise CannotStart(
            f"--redis: {error}; leave --redis out to use the embedded Valkey"
        ) from error


async def inspect(topic: str, what: str, environ: Mapping[str, str]) -> Any:
    """What `inspecting` finds.

    Raises:
        CannotStart: with its sentence.
    """
    # Only the user's modules are looked for in the current folder.
    safely = [] if topic == "tasks" else ["-P"]
    program = [sys.executable, *safely, "-m", "singletrack_cli.inspecting", topic, what]
    process = await asyncio.create_subprocess_exec(
        *tethered(program),
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        answer = json.loads(out.decode().rstrip().rpartition("\n")[2])
    except ValueError:
        said = err.decode(errors="replace").strip().rpartition("\n")[2] or "without a word"
        raise CannotStart(f"looking at {topic} {what} ended: {said}") from None
    if "wrong" in answer:
        raise CannotStart(answer["wrong"])
    return answer["found"]


def _check_installed(needed: Mapping[str, str]) -> None:
    for component, library in needed.items():
        for module in (component, library):
            if importlib.util.find_spec(module) is None:
                raise CannotStart(f"{module} is not installed: pip install 'singletrack[all]'")


def _held(folder: Path) -> str:
    return (
        f"another `singletrack up` runs on the data in {folder}: use that one, stop it, or choose "
        "another folder with --data"
    )
