"""The certificates of a cluster's components, and what they and the administrator connect with.

One authority signs all of them. Its key is not kept, so nobody can sign later on: the controllers
that approve certificate requests have nothing to do here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.cluster.layout import Layout

from singletrack_cli.controlplane import kubeconfig
from singletrack_cli.controlplane.authority import (
    Authority,
    name,
    new_key,
    pem,
    places,
    write,
    write_pair,
)
from singletrack_cli.controlplane.certificates import Certificates

_SERVICE = "kubernetes.default.svc.cluster.local"
# Each component, the user it is for the API server (RBAC knows them by these), and its group.
_CLIENTS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
}


def make(layout: Layout) -> Certificates:
    """Everything into the cluster's folder, which only root may enter."""
    folder = layout.credentials
    folder.mkdir(mode=0o700)
    certificates = Certificates(folder=folder)
    authority = Authority("kubernetes", datetime.now(UTC))
    write(certificates.authority, authority.certificate.public_bytes(Encoding.PEM))
    write(certificates.service_account_key, pem(new_key()))
    _make_servers(authority, layout)
    clients = {**_CLIENTS, "kubelet": (f"system:node:{layout.name}", "system:nodes")}
    for client, (user, group) in clients.items():
        subject = name(user, organization=group)
        issued = authority.issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH)
        certificate, key = folder / f"{client}.crt", folder / f"{client}.key"
        write_pair(certificate, key, issued)
        config = kubeconfig.for_certificate(layout.url, certificates, certificate, key)
        kubeconfig.write(folder / f"{client}.kubeconfig", config)
    Path(folder / "admin.kubeconfig").rename(layout.kubeconfig)
    return certificates


def _make_servers(authority: Authority, layout: Layout) -> None:
    short = [_SERVICE.rsplit(".", cut)[0] for cut in range(1, 5)]
    api = places(["localhost", _SERVICE, *short], ["127.0.0.1", layout.api_service, layout.node])
    subject = name(f"system:node:{layout.name}", organization="system:nodes")
    servers = {
        "server": (name("kube-apiserver"), api),
        "kubelet-server": (subject, places([layout.name], [layout.node])),
    }
    for server, (subject, where) in servers.items():
        issued = authority.issue(subject, ExtendedKeyUsageOID.SERVER_AUTH, where)
        write_pair(
            layout.credentials / f"{server}.crt", layout.credentials / f"{server}.key", issued
        )
