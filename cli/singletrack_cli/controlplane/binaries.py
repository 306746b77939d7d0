"""Where the three programs of a control plane are looked for.

In this order: the folder in `KUBEBUILDER_ASSETS` (the variable every Kubernetes test kit uses), one
folder of the `PATH`, what was built before. All three come from one folder or none does: a machine
often has a kubectl of its own, and kubectl supports servers one minor version away, not four.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.controlplane.source import Source

PROGRAMS = ("etcd", "kube-apiserver", "kubectl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A complete set of programs, all of one folder."""

    folder: Path

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def kube_apiserver(self) -> Path:
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        return self.folder / "kubectl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found; `reasons` says for each place before why it did not do."""

    found: Binaries | None
    reasons: tuple[str, ...]

    @property
    def why(self) -> str:
        """One sentence for the person who is about to wait for a build."""
        first, *others = self.reasons
        return ", ".join([first[:1].upper() + first[1:], *others]) + "."


def search(environ: Mapping[str, str], source: Source | None) -> Search:
    """Look for a complete set, and keep in mind why the places before it did not do."""
    reasons: list[str] = []
    for folder, reason in _places(environ, source):
        if folder is not None and not missing_in(folder):
            return Search(found=Binaries(folder=folder), reasons=tuple(reasons))
        reasons.append(reason)
    return Search(found=None, reasons=tuple(reasons))


def missing_in(folder: Path) -> tuple[str, ...]:
    """The programs that `folder` does not have, or has but may not run."""
    return tuple(name for name in PROGRAMS if not _is_program(folder / name))


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where builds are kept: `controlplane` below Singletrack's folder in the user's cache."""
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    cache = Path(base) if Path(base).is_absolute() else home / ".cache"
    return cache / "singletrack" / "controlplane"


def built_folder(environ: Mapping[str, str], source: Source) -> Path:
    return cache_folder(environ) / source.key / "bin"


def _places(environ: Mapping[str, str], source: Source | None) -> Iterator[tuple[Path | None, str]]:
    yield _assets(environ)
    yield _path(environ)
    if source is None:
        yield None, "there is no Go module to build them from"
    else:
        yield built_folder(environ, source), "none was built here before"


def _assets(environ: Mapping[str, str]) -> tuple[Path | None, str]:
    named = environ.get("KUBEBUILDER_ASSETS")
    if not named:
        return None, "KUBEBUILDER_ASSETS is not set"
    folder = Path(named)
    return folder, f"KUBEBUILDER_ASSETS ({folder}) has no {' and no '.join(missing_in(folder))}"


def _path(environ: Mapping[str, str]) -> tuple[Path | None, str]:
    entries = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    complete = next((folder for folder in entries if not missing_in(folder)), None)
    absent = [name for name in PROGRAMS if not any(_is_program(each / name) for each in entries)]
    if absent:
        return complete, f"the PATH has no {' and no '.join(absent)}"
    return complete, "no single folder of the PATH has all of " + ", ".join(PROGRAMS)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
