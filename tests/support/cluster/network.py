"""The cable between the machine and a node: a pair of interfaces, with routes to pods and Services.

With it a test reaches pods, Services and the API server by their own addresses, without a tunnel.
The node's end, its bridge and all its packet filter rules live in the node's own network namespace
and end with it.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path
from typing import Any

from support.cluster.errors import ClusterError
from support.cluster.layout import Layout
from support.cluster.requirements import path_of

_REFUSE = ("--jump", "REJECT")
_SWITCHES = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")


def connect(layout: Layout, init: int) -> None:
    """Lay the cable from the machine to the node whose first process is `init`."""
    here, there = layout.interfaces
    _ip("link", "add", here, "type", "veth", "peer", "name", there)
    _ip("address", "add", f"{layout.host}/30", "dev", here)
    _ip("link", "set", here, "up")
    _ip("link", "set", there, "netns", str(init))
    for network in (layout.pods, layout.services):
        _ip("route", "add", network, "via", layout.node)


def furnish(layout: Layout) -> None:
    """Inside the node: take its end of the cable, which has to be there, and forward packets."""
    there = layout.interfaces[1]
    _ip("link", "set", "lo", "up")
    _ip("address", "add", f"{layout.node}/30", "dev", there)
    _ip("link", "set", there, "up")
    # Nothing answers there; but the kubelet looks for a default route to learn its own address.
    _ip("route", "add", "default", "via", layout.host)
    # Until kube-proxy knows a Service, its address is nobody's: say so, instead of sending packets
    # back and forth, which the kernel would take for a connection that needs no translation.
    unknown = ["--append", "FORWARD", "--destination", layout.services]
    _run("iptables", *unknown, "--protocol", "tcp", *_REFUSE, "--reject-with", "tcp-reset")
    _run("iptables", *unknown, *_REFUSE)
    for switch in _SWITCHES:
        Path("/proc/sys", switch).write_text("1")


def has_interface(name: str) -> bool:
    return any(link["ifname"] == name for link in _listed("link"))


def disconnect(layout: Layout) -> bool:
    """Take the cable away, if it has not gone with the node; True when it is not there."""
    here = layout.interfaces[0]
    if has_interface(here):
        subprocess.run([path_of("ip"), "link", "delete", here], capture_output=True, check=False)
    return not has_interface(here)


def routes_into(layout: Layout) -> list[str]:
    """What the machine already sends somewhere into the cluster's network."""
    ours = ipaddress.ip_network(layout.network)
    listed = (route["dst"] for route in _listed("route"))
    return [each for each in listed if each != "default" and _is_within(each, ours)]


def _is_within(destination: str, network: ipaddress.IPv4Network) -> bool:
    return ipaddress.IPv4Network(destination).subnet_of(network)


def _listed(what: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(_ip("-4", "-json", what, "show") or "[]")
    return answer


def _ip(*words: str) -> str:
    return _run("ip", *words)


def _run(program: str, *words: str) -> str:
    command = [path_of(program), *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(f"{program} {' '.join(words)} failed: {answer.stderr.strip()}")
    return answer.stdout
