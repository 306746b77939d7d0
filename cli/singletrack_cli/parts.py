"""Which processes a platform has: their commands, their environments, when they are ready.

Pure: from the options, the addresses and the caller's environment to values. Each part gets the
environment it needs and no more; the worker, which executes other people's code, gets all of it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from singletrack_cli.options import Options

MARK = "SINGLETRACK_UP"

_PERSONAL = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
_OURS = ("SINGLETRACK_", "OTEL_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """Ready when it has printed a line with these words."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Serves:
    """Ready when this path of its HTTP server answers 200."""

    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pongs:
    """Ready when it answers a PING after its password."""

    port: int
    password: str = field(repr=False)


Readiness = Says | Serves | Pongs


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process: how it is started, when it is ready, how it is stopped."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    ready: Readiness
    folder: Path | None = None
    patience_seconds: float | None = 10.0
    """How long it may take to stop when asked; None: as long as its work takes."""
    hurry: signal.Signals = signal.SIGKILL
    """What makes it stop at once."""
    talks: bool = True
    """Whether its lines are shown without --verbose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where everything of one platform is."""

    redis_url: str = field(repr=False)
    api_port: int
    operator_port: int
    api_kubeconfig: Path | None = None
    operator_kubeconfig: Path | None = None
    start_task: str = ""
    """What `/start` runs, where the caller's environment does not say."""
    mark: str = ""
    """By which the processes of this platform are recognised."""


def worker(options: Options, site: Site, environ: Mapping[str, str], generation: int = 1) -> Part:
    """The Celery worker; each new one has a name of its own, since the old one may still live."""
    python = (sys.executable, "-m", "singletrack_worker")  # with this folder on the module path
    settings = {"SINGLETRACK_TASKS": ",".join(options.modules)}
    return Part(
        name="worker",
        command=(*python, "-c", str(options.concurrency), "-n", f"local-{generation}@%h"),
        environ=dict(environ) | _common(site) | settings,
        ready=Says(words=" ready."),
        patience_seconds=None,
        hurry=signal.SIGQUIT,
    )


def api(options: Options, site: Site, environ: Mapping[str, str]) -> Part:
    """The REST door, before TaskRuns where there is a cluster."""
    settings = {
        "SINGLETRACK_API_HOST": "127.0.0.1",
        "SINGLETRACK_API_PORT": str(site.api_port),
        "SINGLETRACK_INTAKE": "kubernetes" if options.with_operator else "ledger",
        "SINGLETRACK_KUBECONFIG": str(site.api_kubeconfig or ""),
    }
    start = {"SINGLETRACK_START_TASK": site.start_task} if site.start_task else {}
    return Part(
        name="api",
        command=_component("singletrack_api"),
        environ=start | _own(environ) | _common(site) | settings,
        ready=Serves(port=site.api_port, path="/livez"),
    )


def operator(site: Site, environ: Mapping[str, str]) -> Part:
    """The operator, with the rights of its own account."""
    settings = {
        "SINGLETRACK_OPERATOR_HOST": "127.0.0.1",
        "SINGLETRACK_OPERATOR_PORT": str(site.operator_port),
        "SINGLETRACK_KUBECONFIG": str(site.operator_kubeconfig or ""),
    }
    return Part(
        name="operator",
        command=_component("singletrack_operator"),
        environ=_own(environ) | _common(site) | settings,
        ready=Serves(port=site.operator_port, path="/readyz"),
        patience_seconds=15.0,
    )


def personal(environ: Mapping[str, str]) -> dict[str, str]:
    """What any program needs to run for this user."""
    return {name: environ[name] for name in _PERSONAL if name in environ}


def _component(package: str) -> tuple[str, ...]:
    # -P: a file of the user's folder that is called like one of our dependencies is not imported.
    return (sys.executable, "-P", "-m", package)


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    return personal(environ) | {k: v for k, v in environ.items() if k.startswith(_OURS)}


def _common(site: Site) -> dict[str, str]:
    return {"REDIS_URL": site.redis_url, "PYTHONUNBUFFERED": "1", MARK: site.mark}
