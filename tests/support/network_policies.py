"""NetworkPolicies as rules of the kernel in the pods' own network namespaces.

The cluster of the tests has a network that enforces no policies. What a network that does would
let through is laid down here by iptables, in each pod, and follows the pods that come. Understood
is what the chart writes: ingress and egress, peers by `podSelector` in the same namespace, ports by
name or number; anything else is refused.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster import processes

Objects = Sequence[Mapping[str, Any]]

_LOOK_SECONDS = 0.2
_KNOWN = {"podSelector", "policyTypes", "ingress", "egress"}


#: What `iptables-restore` reads for one pod.
Rules = str


@dataclass(frozen=True, slots=True)
class Direction:
    """One of the two ways a packet goes, in the words of a policy and of iptables."""

    kind: str
    peers: str
    chain: str
    interface: str
    side: str


DIRECTIONS = (
    Direction("Ingress", "from", "INPUT", "-i", "-s"),
    Direction("Egress", "to", "OUTPUT", "-o", "-d"),
)


def rules_of(pod: Mapping[str, Any], policies: Objects, pods: Objects, node: str) -> Rules:
    """What the policies let through to and from a pod. `node` is the address the node's own
    traffic comes from, which no policy keeps away.
    """
    specs = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], pod)]
    for spec in specs:
        if spec.keys() - _KNOWN:
            raise NotImplementedError(f"policies with {spec.keys() - _KNOWN}")
    lines = [line for way in DIRECTIONS for line in _chain(way, specs, pod, pods, node)]
    return _table(lines)


def _table(lines: Sequence[str]) -> Rules:
    chains = [f":{name} ACCEPT [0:0]" for name in ("INPUT", "FORWARD", "OUTPUT")]
    return "\n".join(["*filter", *chains, *lines, "COMMIT", ""])


def _chain(
    way: Direction, specs: Objects, pod: Mapping[str, Any], pods: Objects, node: str
) -> Iterator[str]:
    closed = [spec for spec in specs if way.kind in spec["policyTypes"]]
    if not closed:
        return
    yield f"-A {way.chain} {way.interface} lo -j ACCEPT"
    yield f"-A {way.chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    yield f"-A {way.chain} {way.side} {node} -j ACCEPT"
    for rule in (rule for spec in closed for rule in spec.get(way.kind.lower(), [])):
        for address in _addresses(rule.get(way.peers), pods):
            for port in _ports(rule.get("ports"), pod):
                yield f"-A {way.chain} {way.side} {address} {port}-j ACCEPT"
    yield f"-A {way.chain} -p tcp -j REJECT --reject-with tcp-reset"
    yield f"-A {way.chain} -j DROP"


def selects(selector: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a label selector takes a pod."""
    labels = pod["metadata"].get("labels", {})
    for needed in selector.get("matchExpressions", []):
        if needed["operator"] != "Exists":
            raise NotImplementedError(f"the operator {needed['operator']}")
        if needed["key"] not in labels:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def _addresses(peers: Objects | None, pods: Objects) -> list[str]:
    if peers is None:
        return ["0.0.0.0/0"]
    found = []
    for peer in peers:
        if peer.keys() != {"podSelector"}:
            raise NotImplementedError(f"peers by {set(peer)}")
        found += [
            pod["status"]["podIP"]
            for pod in pods
            if pod["status"].get("podIP") and selects(peer["podSelector"], pod)
        ]
    return found


def _ports(ports: Objects | None, pod: Mapping[str, Any]) -> list[str]:
    if ports is None:
        return [""]
    named = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return [f"-p tcp --dport {named.get(each['port'], each['port'])} " for each in ports]


@contextmanager
def enforced(look: Callable[[str], Objects]) -> Iterator[None]:
    """As long as the block lasts, policies count. `look` answers the objects of a kind that a
    namespace has now.
    """
    over, failures = threading.Event(), list[Exception]()
    laid: dict[str, Rules] = {}

    def follow() -> None:
        while not over.wait(_LOOK_SECONDS):
            try:
                _lay(look("pods"), look("networkpolicies"), laid)
            except Exception as error:  # noqa: BLE001 - told at the end of the block
                failures.append(error)
                return

    _lay(look("pods"), look("networkpolicies"), laid)
    following = threading.Thread(target=follow)
    following.start()
    try:
        yield
    finally:
        over.set()
        following.join()
        for pod in look("pods"):
            if pod["metadata"]["uid"] in laid:
                _restore(pod, _OPEN)
    if failures:
        raise failures[0]


def _lay(pods: Objects, policies: Objects, laid: dict[str, Rules]) -> None:
    for pod in pods:
        uid = pod["metadata"]["uid"]
        if pod["status"].get("phase") != "Running":
            continue
        rules = rules_of(pod, policies, pods, _node_as_seen_by(pod))
        if laid.get(uid) != rules and _restore(pod, rules):
            laid[uid] = rules


_OPEN = _table([])


def _restore(pod: Mapping[str, Any], rules: Rules) -> bool:
    """Whether the pod was there to take them."""
    done = inside(pod, "iptables-restore", stdin=rules)
    return done is not None and done.returncode == 0


def _node_as_seen_by(pod: Mapping[str, Any]) -> str:
    done = inside(pod, "ip", "-json", "route", "show", "default")
    routes = json.loads(done.stdout or "[]") if done else []
    return str(routes[0]["gateway"]) if routes else "127.0.0.1"


def inside(
    pod: Mapping[str, Any], *command: str, stdin: str = ""
) -> subprocess.CompletedProcess[str] | None:
    """A command of the machine in the pod's network; None if no process of the pod lives."""
    pid = _process_of(pod)
    if pid is None:
        return None
    return subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def _process_of(pod: Mapping[str, Any]) -> int | None:
    uid = str(pod["metadata"]["uid"])
    forms = {f"pod{uid}", f"pod{uid.replace('-', '_')}"}
    for pid in processes.everyone():
        try:
            groups = Path("/proc", str(pid), "cgroup").read_text()
        except OSError:
            continue
        if any(form in groups for form in forms):
            return pid
    return None
