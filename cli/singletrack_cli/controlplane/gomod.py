"""A Go module that pins the programs to be built: what it says, and the key of what is made of it.

The digest is of everything that decides about the result, so a build made from other files is never
taken for this one, and moving to another version changes the module and nothing here.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    folder: Path
    digest: str
    go: tuple[int, int]
    """The oldest Go that builds it."""

    def version(self, path: str) -> str:
        """The version it requires of another module, with its leading v."""
        return _only(rf"^\s*(?:require )?{re.escape(path)} (v[\w.+-]+)", self.folder)[0]

    def key(self, version: str) -> str:
        """The name of the folder that keeps what was built."""
        return f"{version}-{target()}-{self.digest}"


def is_module(folder: Path) -> bool:
    return (folder / "go.mod").is_file() and (folder / "go.sum").is_file()


def read(folder: Path) -> GoModule:
    code = sorted(folder.rglob("*.go"))
    content = b"".join(path.read_bytes() for path in (folder / "go.mod", folder / "go.sum", *code))
    major, minor = _only(r"^go (\d+)\.(\d+)", folder)
    return GoModule(
        folder=folder.resolve(),
        digest=hashlib.sha256(content).hexdigest()[:12],
        go=(int(major), int(minor)),
    )


def target() -> str:
    """What it is built for: this machine, in Go's words."""
    machine = platform.machine()
    return f"{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"


def _only(pattern: str, folder: Path) -> tuple[str, ...]:
    match = re.search(pattern, (folder / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{folder / 'go.mod'} has no line that matches {pattern}")
    return match.groups()
