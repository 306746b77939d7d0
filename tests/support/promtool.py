"""Prometheus's own promtool, in each version that is here: of rules it has the last word."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "singletrack"


def promtools() -> list[Path]:
    """Debian's (`apt-get install prometheus`), and a later one that was built into the cache."""
    found = shutil.which("promtool")
    built = sorted((_CACHE / "prometheus").glob("*/promtool"))
    return [*([Path(found)] if found else []), *built[-1:]]


def refusal(promtool: Path, *arguments: str | Path) -> str:
    """What it complains of; nothing if it has no complaint."""
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""
