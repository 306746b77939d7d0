"""A running cluster, for those who test on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.cluster import components, processes, stopping
from support.cluster.errors import ClusterError
from support.cluster.kit import Kit
from support.cluster.layout import Layout
from support.cluster.requirements import path_of

from singletrack_cli.controlplane.certificates import Certificates
from singletrack_cli.controlplane.client import Client


class Cluster:
    """Its kubeconfig is the administrator's; `kit` has the paths of kubectl, helm and images."""

    def __init__(self, layout: Layout, kit: Kit) -> None:
        self.layout = layout
        self.kit = kit
        self.kubeconfig = layout.kubeconfig
        certificates = Certificates(folder=layout.credentials)
        self.client = Client(layout.port, certificates, host=layout.node)

    @property
    def environ(self) -> dict[str, str]:
        """For programs that are to work on this cluster, and on no other of the user's."""
        home = {f"HELM_{each}_HOME": f"{self.layout.folder}/helm" for each in _HELM_HOMES}
        return {**os.environ, **home, "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What it prints; an error with its own words if it fails."""
        return self._run([str(self.kit.programs.kubectl), *words], stdin)

    def helm(self, *words: str) -> str:
        return self._run([str(self.kit.programs.helm), *words], "")

    def import_image(self, archive: Path) -> None:
        """Load an OCI or Docker archive; its pods need `imagePullPolicy` Never or IfNotPresent."""
        with archive.open("rb") as content:  # the node does not see all of the machine's folders
            said = subprocess.run(
                self.inside(components.image_import("-")),
                stdin=content,
                capture_output=True,
                text=True,
                check=False,
            )
        if said.returncode != 0:
            raise ClusterError(f"{archive} was not imported: {said.stderr.strip()}")

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command line that runs `command` on the node."""
        init = processes.init_of(self.layout)
        if init is None:
            raise ClusterError(f"{self.layout.name} does not run.")
        enter = [path_of("nsenter"), f"--target={init}", "--mount", "--pid", "--net", "--uts"]
        return list(map(str, [*enter, *command]))

    def component(self, program: str) -> int | None:
        """The number of a component's process, to be killed or frozen; it is started again."""
        return processes.component(self.layout, program)

    def stop(self) -> None:
        stopping.stop(self.layout)

    def _run(self, command: list[str], stdin: str) -> str:
        answer = subprocess.run(
            command, env=self.environ, input=stdin, capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise ClusterError(f"{' '.join(command[:4])} … failed: {answer.stderr.strip()}")
        return answer.stdout


_HELM_HOMES = ("CACHE", "CONFIG", "DATA")
