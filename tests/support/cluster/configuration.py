"""The configuration files of kubelet, kube-proxy, containerd and the container network.

All are JSON (which YAML readers take) but containerd's. Each switch that is not obvious says why.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.cluster.errors import ClusterError
from support.cluster.images import PAUSE
from support.cluster.layout import Layout
from support.cluster.requirements import find_plugins, path_of

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # on a file system that ends with the node


def write(layout: Layout) -> None:
    """Everything into the cluster's folder."""
    files = {
        "kubelet.json": _json(kubelet(layout)),
        "kube-proxy.json": _json(kube_proxy(layout)),
        "audit-policy.json": _json(audit_policy()),
        "containerd.toml": containerd(layout),
        "cni/10-bridge.conflist": _json(container_network(layout)),
        "resolv.conf": "nameserver 127.0.0.1\n",  # for CoreDNS itself, which asks nobody
    }
    for name, content in files.items():
        path = layout.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


def kubelet(layout: Layout) -> dict[str, Any]:
    pki = layout.credentials
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",  # noqa: S104 - of the node, which only this machine can reach
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet-server.key",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": f"{layout.folder}/pods",
        "clusterDNS": [layout.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{layout.folder}/resolv.conf",
        "serializeImagePulls": False,
        **_limits_of_the_machine(layout),
    }


def _limits_of_the_machine(layout: Layout) -> dict[str, Any]:
    """What a node made inside a machine may not change, or shares with everything else on it."""
    return {
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A machine may forbid lower values and higher limits than the ones we have.
        "oomScoreAdj": _oom_score(),
        "maxOpenFiles": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        # An image that was collected could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
    }


def kube_proxy(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{layout.credentials}/kube-proxy.kubeconfig"},
        "mode": "iptables",
        "clusterCIDR": layout.pods,
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "100ms"},
        # The kernel lets nobody set these inside a network namespace: kube-proxy ends if it tries.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "metricsBindAddress": "127.0.0.1:10249",
    }


def audit_policy() -> dict[str, Any]:
    """Who asked for what; the bodies hold Secrets."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    }


def container_network(layout: Layout) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,  # a pod reaches itself through its Service
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": layout.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": layout.name, "plugins": [bridge, ports]}


def containerd(layout: Layout) -> str:
    """Debian's containerd has version 2 of the format, and later ones still read it."""
    plugins = find_plugins()
    if plugins is None:
        raise ClusterError("The plug-ins of the container network are missing.")
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{layout.folder}/containerd"
state = "/run/containerd"
oom_score = {_oom_score()}

[grpc]
address = "{CONTAINERD_SOCKET}"

[{cri}]
sandbox_image = "{PAUSE}"
# Without it no sandbox starts on a machine that forbids to lower the score.
restrict_oom_score_adj = true
enable_unprivileged_ports = true
enable_unprivileged_icmp = true

[{cri}.cni]
bin_dir = "{plugins}"
conf_dir = "{layout.folder}/cni"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[{cri}.containerd.runtimes.runc.options]
BinaryName = "{path_of("runc")}"
SystemdCgroup = false
"""


def _oom_score() -> int:
    return int(Path("/proc/self/oom_score_adj").read_text())


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
