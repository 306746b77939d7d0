"""Tells where everything is: two private files in the data folder, and the facts of the screen.

`up.json` is for programs (the demo, tests, benchmarks) and is there while the platform is ready;
`env` is for people: `source .singletrack/env`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singletrack_cli import version
from singletrack_cli.local_platform import LocalPlatform
from singletrack_cli.options import Options
from singletrack_cli.screen import Facts
from singletrack_cli.task_modules import TaskModules

STATE_FILE = "up.json"
ENVIRONMENT_FILE = "env"


def state(platform: LocalPlatform, warden: int) -> dict[str, Any]:
    """What programs need to know; the process ids change when a part is started again."""
    return {
        "pid": os.getpid(),
        "mark": platform.site.mark,
        "api": _local_url(platform.site.api_port),
        "metrics": f"{_local_url(platform.metrics_port)}/metrics",
        "redis": platform.site.redis_url,
        "kubeconfig": str(platform.kubeconfig or ""),
        "kubectl": str(platform.cluster.kubectl) if platform.cluster else "",
        "parts": {**platform.pids, "warden": warden},
    }


def write_state(folder: Path, content: Mapping[str, Any]) -> None:
    _write_private(folder / STATE_FILE, json.dumps(content, indent=2) + "\n")


def forget_state(folder: Path) -> None:
    (folder / STATE_FILE).unlink(missing_ok=True)


def write_environment(folder: Path, platform: LocalPlatform, environ: Mapping[str, str]) -> None:
    """What a shell has to know; without a kubectl on the PATH, also where ours is."""
    variables = {"REDIS_URL": platform.site.redis_url}
    if platform.kubeconfig is not None:
        variables["KUBECONFIG"] = str(platform.kubeconfig.absolute())
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if platform.cluster is not None and not _on_path("kubectl", environ):
        lines.append(f'export PATH="$PATH":{shlex.quote(str(platform.cluster.kubectl.parent))}')
    _write_private(folder / ENVIRONMENT_FILE, "\n".join(lines) + "\n")


def facts(
    options: Options,
    platform: LocalPlatform,
    modules: TaskModules,
    environ: Mapping[str, str],
    seconds: float,
) -> Facts:
    """What the screen tells."""
    where = f"the embedded Valkey, data in {shown(options.data / 'valkey')}"
    return Facts(
        version=version.of("singletrack"),
        seconds=seconds,
        api_url=_local_url(platform.site.api_port),
        metrics_url=f"{_local_url(platform.metrics_port)}/metrics",
        ledger=without_password(options.redis) if options.redis else where,
        modules=", ".join(options.modules),
        task=modules.first,
        start_task=platform.site.start_task,
        environment_file=shown(options.data / ENVIRONMENT_FILE),
        python=python_command(sys.executable, environ),
        kubeconfig=platform.kubeconfig,
    )


def python_command(executable: str, environ: Mapping[str, str]) -> str:
    """What a person has to type for this Python: its name if that is the one on the PATH."""
    for name in ("python", "python3"):
        if _on_path(name, environ) == executable:
            return name
    return shown(Path(executable))


def shown(path: Path) -> str:
    """A path as short as it is clear from the current folder."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def without_password(url: str) -> str:
    """The address of a server, fit to be shown."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _local_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _on_path(program: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(program, path=environ.get("PATH", os.defpath))


def _write_private(path: Path, text: str) -> None:
    """Readable for nobody else, and never half of it for anybody."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)
