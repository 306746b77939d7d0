"""A cluster that is given by a kubeconfig: looked at, and changed only if that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from singletrack_cli import checking, furnishing
from singletrack_cli.concurrently import in_thread
from singletrack_cli.controlplane.binaries import search
from singletrack_cli.controlplane.source import find
from singletrack_cli.errors import CannotStart
from singletrack_cli.furnishing import Kubectl
from singletrack_cli.options import Options


async def prepare(options: Options, environ: Mapping[str, str]) -> None:
    """See that the cluster serves TaskRuns; install the resource first if that was asked for.

    Raises:
        CannotStart: it cannot be reached, does not know TaskRuns, or the installation failed.
    """
    if options.kubeconfig is None:
        return
    if options.install_crd:
        kubectl = _kubectl(options.kubeconfig, options.data, environ)
        await in_thread(lambda: furnishing.install_definition(kubectl))
    found = await checking.inspect("cluster", str(options.kubeconfig), environ)
    if not found["served"]:
        raise CannotStart(
            f"the cluster {found['server']} does not know TaskRuns: start again with "
            "--install-crd, or ask its administrator for `kubectl apply -f k8s/crd.yaml`"
        )


def _kubectl(kubeconfig: Path, data: Path, environ: Mapping[str, str]) -> Kubectl:
    ours = search(environ, find(environ)).found
    return Kubectl(
        program=furnishing.find_kubectl(environ, [ours.kubectl] if ours else []),
        kubeconfig=kubeconfig,
        cache=data / "kubectl-cache",
        # All of it: the kubeconfig may name a program that logs in.
        environ=dict(environ),
    )
