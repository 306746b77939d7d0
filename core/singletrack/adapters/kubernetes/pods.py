"""Pods on the API server, one at a time: what becomes of one, and whether its node is fenced.

A Pod is watched under its own name, so that nothing is read of any other, and no right is needed
but the one to watch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from singletrack.adapters.kubernetes.errors import NotFound, from_answer
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.pods import Pod

_WATCH_SECONDS = 300
_SILENCE_SECONDS = 90  # a bookmark comes about once a minute
_ERROR, _BOOKMARK = "ERROR", "BOOKMARK"


class Pods:
    """The Pods and nodes of one cluster."""

    def __init__(self, session: KubernetesSession) -> None:
        self._session = session

    async def watch(self, pod: Pod, since: str = "") -> AsyncGenerator[Mapping[str, Any], None]:
        """Every version of this very Pod from now on, or from a resource version; a few minutes.

        The last version is the one it had when it was deleted. A bookmark has no status.

        Raises:
            Expired: the server does not know any more what has happened since.
        """
        params = {
            "watch": "true",
            "fieldSelector": f"metadata.name={pod.name}",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        } | ({"resourceVersion": since} if since else {})
        path = f"/api/v1/namespaces/{pod.namespace}/pods"
        async for event in self._session.stream(
            path, params=params, silence_seconds=_SILENCE_SECONDS
        ):
            found = event["object"]
            if event["type"] == _ERROR:
                raise from_answer(int(found.get("code") or 0), found, {})
            if event["type"] == _BOOKMARK or found["metadata"].get("uid") == pod.uid:
                yield found

    async def node(self, name: str) -> Mapping[str, Any] | None:
        """A node as it is now; None if there is none of that name."""
        try:
            found: Mapping[str, Any] = await self._session.request("GET", f"/api/v1/nodes/{name}")
        except NotFound:
            return None
        return found
