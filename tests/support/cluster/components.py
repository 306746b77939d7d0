"""The components of a node and their command lines.

They are what a distribution's installer would set up, with every connection
encrypted and every client known by its certificate; nothing but the speed of a test's start
(no leader election, no fsync) is different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.cluster.configuration import CONTAINERD_SOCKET
from support.cluster.layout import Layout
from support.cluster.programs import Programs
from support.cluster.requirements import path_of

from singletrack_cli.controlplane import command_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A program of the node; its name is that of its log, too."""

    name: str
    command: Sequence[str | Path]


def etcd(programs: Programs) -> Component:
    """As for the local control plane: on a socket in the cluster's folder, for root alone."""
    command = command_lines.etcd(programs.control_plane, durable=False)
    return Component(name="etcd", command=command)


def containerd(layout: Layout) -> Component:
    command = [path_of("containerd"), f"--config={layout.folder}/containerd.toml"]
    return Component(name="containerd", command=command)


def kube_apiserver(layout: Layout, programs: Programs) -> Component:
    pki = layout.credentials
    command = [
        programs.control_plane.kube_apiserver,
        f"--etcd-servers=unix://{command_lines.ETCD_SOCKET}",
        "--bind-address=0.0.0.0",
        f"--secure-port={layout.port}",
        f"--advertise-address={layout.node}",
        f"--service-cluster-ip-range={layout.services}",
        "--allow-privileged=true",  # pod security decides, namespace by namespace
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--anonymous-auth=false",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/server.crt",
        f"--tls-private-key-file={pki}/server.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.key",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--audit-policy-file={layout.folder}/audit-policy.json",
        f"--audit-log-path={layout.audit_log}",
        "--profiling=false",
    ]
    return Component(name="kube-apiserver", command=command)


def kube_controller_manager(layout: Layout, programs: Programs) -> Component:
    command = [
        programs.node / "kube-controller-manager",
        *_as_client(layout, "kube-controller-manager"),
        "--use-service-account-credentials=true",
        f"--root-ca-file={layout.credentials}/ca.crt",
    ]
    return Component(name="kube-controller-manager", command=command)


def kube_scheduler(layout: Layout, programs: Programs) -> Component:
    command = [programs.node / "kube-scheduler", *_as_client(layout, "kube-scheduler")]
    return Component(name="kube-scheduler", command=command)


def _as_client(layout: Layout, name: str) -> list[str]:
    config = f"{layout.credentials}/{name}.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",  # there is no other, and the election costs the start seconds
    ]


def kubelet(layout: Layout, programs: Programs) -> Component:
    command = [
        programs.node / "kubelet",
        f"--config={layout.folder}/kubelet.json",
        f"--kubeconfig={layout.credentials}/kubelet.kubeconfig",
        f"--root-dir={layout.folder}/kubelet",
        f"--node-ip={layout.node}",
        f"--hostname-override={layout.name}",
    ]
    return Component(name="kubelet", command=command)


def kube_proxy(layout: Layout, programs: Programs) -> Component:
    command = [
        programs.node / "kube-proxy",
        f"--config={layout.folder}/kube-proxy.json",
        f"--hostname-override={layout.name}",
    ]
    return Component(name="kube-proxy", command=command)


def image_import(archive: Path | str) -> list[str | Path]:
    """Load an archive (`-` for standard input) into the images that pods may use."""
    address = f"--address={CONTAINERD_SOCKET}"
    return [path_of("ctr"), address, "--namespace=k8s.io", "images", "import", str(archive)]
