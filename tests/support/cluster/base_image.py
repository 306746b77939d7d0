"""The base of the project's images, made from Debian's packages where no registry can be reached.

`debootstrap` installs a minimal Debian with Python into a folder, which becomes one image archive.
It stands in for the `python:…-slim` of a registry: buildah takes it as `FROM oci-archive:…`. The
mirror is the one the machine's own apt uses, if it has that release, else Debian's.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.cluster import oci_archive
from support.cluster.oci_archive import Image
from support.cluster.programs import root
from support.cluster.requirements import path_of

from singletrack_cli.controlplane import gomod, workshop
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.workshop import Workshop

RELEASE = "bookworm"
NAME = "localhost/python:3.11"
_PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
_MIRROR = "http://deb.debian.org/debian"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONFIG = {"Cmd": ["python3"], "Env": [_PATH, "PYTHONUNBUFFERED=1"]}
_NAMESPACES = ("--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
# What a running program never reads; a third of the size.
_LEFT_OUT = (
    "./dev/*",
    "./etc/apt/sources.list*",
    "./proc/*",
    "./sys/*",
    "./usr/share/doc/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)


def ensure(environ: Mapping[str, str], progress: BuildProgress) -> Path:
    """The archive; made once, and anew when this recipe changes."""
    place = root(environ) / f"base-{RELEASE}-{gomod.target()}-{_digest()}"
    if not place.exists():
        progress.say(f"Making the base image {NAME} from Debian's packages, once.")
        with workshop.opened(root(environ), environ, progress) as shop:
            if not place.exists():
                shop.keep(_made(shop), place)
    return place / "base.tar"


def mirror(targets: str) -> str:
    """The first place with this release in what `apt-get indextargets` lists."""
    rows = (line.split() for line in targets.splitlines())
    places = (row[0] for row in rows if row[1:] == [RELEASE, "main"])
    return next(places, _MIRROR).rstrip("/")


def _made(shop: Workshop) -> Path:
    made, system, layer = shop.folder / "base", shop.folder / "system", shop.folder / "layer.tar"
    made.mkdir()
    # What it mounts goes away with the namespace, even if it is killed half-way.
    apart: list[str | Path] = [path_of("unshare"), *_NAMESPACES]
    install: list[str | Path] = [
        path_of("debootstrap"),
        "--variant=minbase",
        f"--include={','.join(_PACKAGES)}",
    ]
    where = [RELEASE, str(system), mirror(_index_targets())]
    shop.run("installing Debian and Python", [*apart, *install, *where], inside=shop.folder)
    excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    pack: list[str | Path] = [
        path_of("tar"),
        "-C",
        system,
        "--numeric-owner",
        *excluded,
        "-cf",
        layer,
        ".",
    ]
    shop.run("packing the base image", pack, inside=shop.folder)
    image = Image(name=NAME, platform=gomod.target(), config=_CONFIG)
    oci_archive.write(made / "base.tar", image, layer)
    return made


def _index_targets() -> str:
    wanted = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _digest() -> str:
    """Of everything that decides what is in it."""
    decisive = repr((NAME, _PACKAGES, _CONFIG, _LEFT_OUT))
    return hashlib.sha256(decisive.encode()).hexdigest()[:12]
