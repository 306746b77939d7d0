"""What the starter of a cluster tells the node's first process: a file in the cluster's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.cluster.layout import Layout
from support.cluster.programs import Programs

from singletrack_cli.controlplane.binaries import Binaries

_NAME = "work-order.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    layout: Layout
    programs: Programs
    images: tuple[Path, ...]
    """Archives to be loaded before the first pod comes."""

    def write(self) -> None:
        content = {
            "number": self.layout.number,
            "control_plane": str(self.programs.control_plane.folder),
            "node": str(self.programs.node),
            "pods": str(self.programs.pods),
            "tools": str(self.programs.tools),
            "images": [str(archive) for archive in self.images],
        }
        (self.layout.folder / _NAME).write_text(json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        content = json.loads((folder / _NAME).read_text())
        programs = Programs(
            control_plane=Binaries(folder=Path(content["control_plane"])),
            node=Path(content["node"]),
            pods=Path(content["pods"]),
            tools=Path(content["tools"]),
        )
        return cls(
            layout=Layout(content["number"]),
            programs=programs,
            images=tuple(map(Path, content["images"])),
        )
