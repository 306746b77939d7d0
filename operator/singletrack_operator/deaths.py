"""What a Pod, or its node, proves about the processes in it. Pure.

Certain is only what somebody has seen who can see the processes. That is the kubelet, which reports
a final phase once every container has ended; and an administrator who has put the node out of
service. It is no proof that a Pod was deleted (by force, nobody waits for the kubelet), that its
node does not answer (its containers run on), that its node was removed (the garbage collector then
gives the Pod a final phase), or that a container has ended of a Pod that starts it again (which of
its lives the run was in cannot be seen).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from singletrack.exits import Exit
from singletrack.operations import Cause
from singletrack.pods import Pod

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_FINAL = frozenset({"Succeeded", "Failed"})
_COLLECTED = "DeletionByPodGC"
_NOT_SEEN = "ContainerStatusUnknown"
_OUT_OF_MEMORY = "OOMKilled"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Death:
    """That a process is dead for certain."""

    message: str
    cause: Cause = Cause.DIED
    exit: Exit | None = None


def of_pod(pod: Pod, body: Body) -> Death | None:
    """That everything in this Pod has ended; None if that is not certain."""
    status = body.get("status") or {}
    containers = status.get("containerStatuses") or ()
    ends = {each["name"]: _end(each) for each in containers}
    named = {each["name"] for each in (body.get("spec") or {}).get("containers") or ()}
    certain = (
        status.get("phase") in _FINAL
        and named
        and named <= ends.keys()
        and all(ends.values())
        and not any(_runs(each) for each in _others(status))
        and not any(each.get("reason") == _COLLECTED for each in status.get("conditions") or ())
    )
    if not certain:
        return None
    how = ", ".join(f"{name} {_words(end)}" for name, end in ends.items() if end)
    return Death(f"its Pod {pod} has ended: {how}", *_of_the_only_one(tuple(ends.values())))


def of_node(name: str, body: Body) -> Death | None:
    """That nothing runs on this node any more; None if that is not certain."""
    taints = (body.get("spec") or {}).get("taints") or ()
    fenced = any(taint.get("key") == OUT_OF_SERVICE for taint in taints)
    if not fenced or _is_ready(body):
        return None
    return Death(f"its node {name} is out of service ({OUT_OF_SERVICE})")


def _of_the_only_one(ends: tuple[Body | None, ...]) -> tuple[Cause, Exit | None]:
    """Of several containers nobody knows which one the run was in."""
    end = ends[0] if len(ends) == 1 else None
    if end is None:
        return Cause.DIED, None
    cause = Cause.OUT_OF_MEMORY if end.get("reason") == _OUT_OF_MEMORY else Cause.DIED
    return cause, Exit(code=int(end.get("exitCode", 0)))


def _others(status: Body) -> Iterable[Body]:
    """Those that may never have been started: beside or before the Pod's containers."""
    for kind in ("initContainerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(kind) or ()


def _runs(container: Body) -> bool:
    return "running" in (container.get("state") or {})


def _end(container: Body) -> Body | None:
    """How a container has ended, if the kubelet has seen it."""
    end: Body | None = (container.get("state") or {}).get("terminated")
    return end if end and end.get("reason") != _NOT_SEEN else None


def _words(end: Body) -> str:
    reason = end.get("reason") or ""
    return f"with exit code {end.get('exitCode', 0)}" + (f" ({reason})" if reason else "")


def _is_ready(node: Body) -> bool:
    """One that answers has been started again, and the taint was forgotten."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
