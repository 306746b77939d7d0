"""The Go module that says which versions of etcd and Kubernetes are built, and with what.

Everything else is read from its two files: the oldest toolchain that will do, the version the
programs report, and the key under which a build is kept. So moving to a newer Kubernetes changes
`go.mod` and nothing here, and a build made from other files is never taken for this one.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_VARIABLE = "SINGLETRACK_CONTROLPLANE_SOURCE"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One version of the Go module in `k8s/controlplane`."""

    folder: Path
    key: str
    kubernetes: str
    """With its leading v, as in `v1.36.3`."""
    go: tuple[int, int]
    """The oldest Go that builds it."""


def find(environ: Mapping[str, str]) -> Source | None:
    """The module the environment names, else that of the checkout, else that of the wheel."""
    here = Path(__file__).resolve()
    folders = [here.parents[3] / "k8s" / "controlplane", here.parent / "go_module"]
    if named := environ.get(_VARIABLE):
        folders = [Path(named)]
    for folder in folders:
        if (folder / "go.mod").is_file() and (folder / "go.sum").is_file():
            return read(folder)
    return None


def read(folder: Path) -> Source:
    module = (folder / "go.mod").read_bytes()
    digest = hashlib.sha256(module + (folder / "go.sum").read_bytes()).hexdigest()[:12]
    kubernetes = _only(r"^\s*k8s\.io/kubernetes (v[\d.]+)", module.decode(), folder)[0]
    major, minor = _only(r"^go (\d+)\.(\d+)", module.decode(), folder)
    machine = platform.machine()
    target = f"{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"
    return Source(
        folder=folder.resolve(),
        key=f"{kubernetes}-{target}-{digest}",
        kubernetes=kubernetes,
        go=(int(major), int(minor)),
    )


def _only(pattern: str, module: str, folder: Path) -> tuple[str, ...]:
    match = re.search(pattern, module, re.MULTILINE)
    if match is None:
        raise ValueError(f"{folder / 'go.mod'} has no line that matches {pattern}")
    return match.groups()
