"""Checkov, which looks at manifests for what is unsafe; fetched once into the user's cache.

It has an environment of its own: it pins a hundred packages, some to other versions than ours.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from support.fetching import cached

VERSION = "3.3.30"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that one object fails."""

    check: str
    resource: str
    """Its kind, namespace and name, with dots between."""

    def __str__(self) -> str:
        return f"{self.check} {self.resource}"


def findings(folder: Path) -> set[Finding]:
    """What it finds in the manifests of a folder."""
    options = ["--framework=kubernetes", "--skip-download", "--quiet", "--compact", "--soft-fail"]
    done = subprocess.run(
        [_program(), f"--directory={folder}", *options, "--output=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    failed = json.loads(done.stdout)["results"]["failed_checks"]
    return {Finding(each["check_id"], each["resource"]) for each in failed}


def _program() -> Path:
    with cached(f"checkov-{VERSION}") as made:
        if not (made / "complete").exists():
            shutil.rmtree(made, ignore_errors=True)
            _install(made)
            (made / "complete").touch()
    return made / "bin" / "checkov"


def _install(folder: Path) -> None:
    sys.stderr.write(f"installing checkov {VERSION} into {folder}: once, about half a minute\n")
    wanted = f"checkov=={VERSION}"
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    else:
        venv.create(folder, with_pip=True)
        install = [str(folder / "bin" / "pip"), "install", "--quiet"]
    subprocess.run([*install, wanted], check=True)
