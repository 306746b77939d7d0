"""What a machine must have before a cluster can be started on it, said at once and in full.

A node is made of namespaces, mounts, interfaces and control groups, which only root may make. The
container runtime and the network's plug-ins are Debian's: they are not published as Go modules in a
form that is worth ten minutes of building.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from support.cluster.errors import ClusterError

# The program, and the Debian package that brings it.
_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "iptables-save": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "tar": "tar",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
}
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_PLUGINS = ("bridge", "host-local", "loopback", "portmap")


def check() -> None:
    """Raise with everything that is missing, and how to get it."""
    found = missing_packages(
        (name for name in _PROGRAMS if which(name) is not None), plugins=find_plugins() is not None
    )
    if said := sentences(root=os.geteuid() == 0, packages=found):
        raise ClusterError("\n".join(said))


def missing_packages(programs: Iterable[str], *, plugins: bool) -> list[str]:
    """The Debian packages to install, given the programs and plug-ins that are there."""
    packages = {_PROGRAMS[name] for name in _PROGRAMS.keys() - set(programs)}
    return sorted(packages if plugins else packages | {"containernetworking-plugins"})


def sentences(*, root: bool, packages: Sequence[str]) -> list[str]:
    said = []
    if not root:
        said.append("A cluster needs root: its node is made of namespaces, mounts and interfaces.")
    if packages:
        install = "apt-get install --no-install-recommends"
        said.append(f"Packages are missing. Debian has them: {install} {' '.join(packages)}")
    return said


def which(program: str) -> Path | None:
    """Where the program is; administrators' folders are not on everyone's PATH."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def path_of(program: str) -> Path:
    found = which(program)
    if found is None:
        raise ClusterError("\n".join(sentences(root=True, packages=[_PROGRAMS[program]])))
    return found


def find_plugins() -> Path | None:
    """The folder with the plug-ins of the container network."""
    complete = (folder for folder in _PLUGIN_FOLDERS if _has_plugins(folder))
    return next(complete, None)


def _has_plugins(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _PLUGINS)
