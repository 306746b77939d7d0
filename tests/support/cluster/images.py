"""The images a node cannot be without, and the base for those of the project.

No registry is reachable from the node: each image it runs comes from an archive that was loaded
into it, has an explicit tag, and is never pulled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.cluster import base_image, oci_archive
from support.cluster.oci_archive import Image
from support.cluster.programs import Programs, root

from singletrack_cli.controlplane import gomod, workshop
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.workshop import Workshop

PAUSE = "localhost/pause:1"
COREDNS = "localhost/coredns:1"
_USER = "65532:65532"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The archives; `base` is what buildah's `FROM oci-archive:…` takes."""

    folder: Path
    base: Path
    base_name: str = base_image.NAME

    @property
    def at_start(self) -> tuple[Path, ...]:
        """What is loaded into every node; the base is there for pods of tests."""
        return (self.folder / "pause.tar", self.folder / "coredns.tar", self.base)


def ensure(environ: Mapping[str, str], programs: Programs, progress: BuildProgress) -> Images:
    base = base_image.ensure(environ, progress)
    place = root(environ) / f"images-{programs.pods.name}"
    if not place.exists():
        with workshop.opened(root(environ), environ, progress) as shop:
            if not place.exists():
                shop.keep(_made(shop, programs), place)
    return Images(folder=place, base=base)


def _made(shop: Workshop, programs: Programs) -> Path:
    made = shop.folder / "images"
    made.mkdir()
    for program, name in (("pause", PAUSE), ("coredns", COREDNS)):
        layer = shop.folder / f"{program}.layer"
        oci_archive.layer_of(layer, {f"/{program}": programs.pods / program})
        config = {"Entrypoint": [f"/{program}"], "User": _USER}
        image = Image(name=name, platform=gomod.target(), config=config)
        oci_archive.write(made / f"{program}.tar", image, layer)
    return made
