"""What an API server needs before TaskRuns can be used on it: the resource, accounts, rights.

Applied with `kubectl apply --server-side`, so that doing it again brings an older one up to date.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from singletrack.custom_resource.definition import custom_resource_definition
from singletrack_cli.errors import CannotStart

_RIGHTS = "operator-rbac.yaml"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """A kubectl for one cluster; the user's own configuration is neither read nor written."""

    program: Path
    kubeconfig: Path
    cache: Path
    environ: Mapping[str, str]

    def run(self, *words: str | Path, stdin: str = "") -> str:
        """What it prints.

        Raises:
            CannotStart: it failed; says why in its own words.
        """
        where = ["--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.cache)]
        done = subprocess.run(
            [str(self.program), *where, *map(str, words)],
            input=stdin,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise CannotStart(f"kubectl {words[0]} failed: {said}")
        return done.stdout


def install_definition(kubectl: Kubectl) -> None:
    """Make the API server know TaskRuns, and wait until it serves them."""
    _install(kubectl, [])


def install_everything(kubectl: Kubectl) -> None:
    """The definition, and the accounts of the operator and the API with their rights."""
    _install(kubectl, ["-f", rights_file()])


def rights_file() -> Path:
    """The roles of both accounts: of the checkout, else of the wheel."""
    here = Path(__file__).resolve()
    for place in (here.parents[2] / "k8s" / _RIGHTS, here.with_name(_RIGHTS)):
        if place.is_file():
            return place
    raise CannotStart(f"{_RIGHTS} is missing from this installation; install singletrack again")


def find_kubectl(environ: Mapping[str, str], others: Sequence[Path]) -> Path:
    """The one on the PATH, else one of those we have."""
    on_path = shutil.which("kubectl", path=environ.get("PATH", os.defpath))
    for candidate in (Path(on_path),) if on_path else others:
        if candidate.is_file():
            return candidate
    raise CannotStart(
        "--install-crd needs kubectl, which is not on the PATH: install it, or apply k8s/crd.yaml "
        "yourself"
    )


def _install(kubectl: Kubectl, more: list[str | Path]) -> None:
    definition = custom_resource_definition()
    how = ["--server-side", "--force-conflicts", "--field-manager=singletrack", "-f", "-"]
    kubectl.run("apply", *how, *more, stdin=json.dumps(definition))
    name = definition["metadata"]["name"]
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", f"crd/{name}")
