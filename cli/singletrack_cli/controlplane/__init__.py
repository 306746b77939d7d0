"""A Kubernetes API server of one's own: etcd and kube-apiserver on this machine, without nodes.

`singletrack up --kubernetes`, the demo and the tests need a real API server (CRD validation, RBAC,
watches, tokens), not a cluster: no pod ever runs here. This package finds the programs or builds
them once (`building.ensure`), and runs them as children that never outlive their parent
(`server.ControlPlane`).

It leaves out every controller: a namespace that is deleted stays `Terminating`, owner references
are not followed, and nobody creates the ServiceAccount `default`.
"""

from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.building import ensure
from singletrack_cli.controlplane.errors import (
    BuildFailed,
    ControlPlaneError,
    RequestRefused,
    StartFailed,
)
from singletrack_cli.controlplane.server import ControlPlane

__all__ = [
    "Binaries",
    "BuildFailed",
    "ControlPlane",
    "ControlPlaneError",
    "RequestRefused",
    "StartFailed",
    "ensure",
]
