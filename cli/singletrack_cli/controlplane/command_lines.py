"""The command lines of etcd and kube-apiserver, and why each switch is there.

Both run in the data folder and name their sockets relative to it: the path of a Unix socket has at
most 107 bytes, and the path of a data folder may be longer.
"""

from __future__ import annotations

from pathlib import Path

from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.certificates import Certificates

ETCD_SOCKET = "etcd.sock"
AUDIT_POLICY = "audit-policy.json"
AUDIT_LOG = Path("log") / "audit.log"
_PEER_SOCKET = "etcd-peer.sock"

# They wait for controllers that do not run here, or serve nodes and volumes that do not exist.
_ADMISSION_OFF = (
    "DefaultIngressClass",
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "PersistentVolumeClaimResize",
    "PodTopologyLabels",
    "Priority",
    "ResourceQuota",
    "RuntimeClass",
    "ServiceAccount",
    "StorageObjectInUseProtection",
    "TaintNodesByCondition",
)


def etcd(programs: Binaries, *, durable: bool) -> list[str | Path]:
    """Only on sockets in a folder closed to others: no port, no certificates."""
    command: list[str | Path] = [
        programs.etcd,
        "--name=singletrack",
        "--data-dir=etcd",
        f"--listen-client-urls=unix://{ETCD_SOCKET}",
        f"--advertise-client-urls=unix://{ETCD_SOCKET}:0",
        f"--listen-peer-urls=unix://{_PEER_SOCKET}",
        f"--initial-advertise-peer-urls=unix://{_PEER_SOCKET}:0",
        f"--initial-cluster=singletrack=unix://{_PEER_SOCKET}:0",
        "--log-level=warn",
    ]
    if not durable:
        command.append("--unsafe-no-fsync")
    return command


def kube_apiserver(programs: Binaries, certificates: Certificates, port: int) -> list[str | Path]:
    return [
        programs.kube_apiserver,
        f"--etcd-servers=unix://{ETCD_SOCKET}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # A loopback address must not be an endpoint of the Service `kubernetes`; nobody needs one.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        f"--client-ca-file={certificates.authority}",
        f"--tls-cert-file={certificates.server}",
        f"--tls-private-key-file={certificates.server_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificates.service_account_key}",
        f"--service-account-signing-key-file={certificates.service_account_key}",
        f"--disable-admission-plugins={','.join(_ADMISSION_OFF)}",
        "--profiling=false",
    ]


def audit() -> list[str]:
    """More of the API server's: it writes down who asked for what."""
    return [f"--audit-policy-file={AUDIT_POLICY}", f"--audit-log-path={AUDIT_LOG}"]
