"""The Go module that says which versions of etcd and Kubernetes are built, and with what.

Everything else is read from its two files: the oldest toolchain that will do, the version the
programs report, and the key under which a build is kept. So moving to a newer Kubernetes changes
`go.mod` and nothing here, and a build made from other files is never taken for this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.controlplane import gomod

_VARIABLE = "SINGLETRACK_CONTROLPLANE_SOURCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One version of the Go module in `k8s/controlplane`."""

    module: gomod.GoModule
    kubernetes: str
    """With its leading v, as in `v1.36.3`."""

    @property
    def folder(self) -> Path:
        return self.module.folder

    @property
    def key(self) -> str:
        return self.module.key(self.kubernetes)


def find(environ: Mapping[str, str]) -> Source | None:
    """The module the environment names, else that of the checkout, else that of the wheel."""
    here = Path(__file__).resolve()
    folders = [here.parents[3] / "k8s" / "controlplane", here.parent / "go_module"]
    if named := environ.get(_VARIABLE):
        folders = [Path(named)]
    return next((read(folder) for folder in folders if gomod.is_module(folder)), None)


def read(folder: Path) -> Source:
    module = gomod.read(folder)
    return Source(module=module, kubernetes=module.version("k8s.io/kubernetes"))
