"""Tells of bad ends in Kubernetes events, which `kubectl describe` and `kubectl get events` show.

Only what a person may have to act on, each once, after the status was written. Events are a
courtesy: they are posted slowly, a flood of them is cut, and one that fails is forgotten.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from datetime import datetime
from typing import Any

import structlog

from singletrack import logs
from singletrack.adapters.kubernetes.errors import KubernetesError
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.custom_resource import API_VERSION, GROUP, KIND
from singletrack.custom_resource.manifest import TaskRun
from singletrack.custom_resource.texts import clip, clip_word, exact_timestamp
from singletrack.lifecycle import Phase

log = structlog.get_logger()

TOLD = frozenset({Phase.REJECTED, Phase.FAILED, Phase.TIMED_OUT, Phase.LOST, Phase.EXPIRED})
_MOST_WAITING = 100
_PACE_SECONDS = 0.1
_LONGEST_NOTE = 1000
_LONGEST_NAME = 200


class Teller:
    """Posts events in the background."""

    def __init__(self, session: KubernetesSession) -> None:
        self._session = session
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_WAITING)

    def tell(self, taskrun: TaskRun, status: dict[str, Any], now: datetime) -> None:
        """Take note of an end, if it is one to tell of; more than can be posted are dropped."""
        if status["phase"] in TOLD and not self._waiting.full():
            self._waiting.put_nowait(build(taskrun, status["error"], now))

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            event = await self._waiting.get()
            path = f"/apis/events.k8s.io/v1/namespaces/{event['metadata']['namespace']}/events"
            try:
                await self._session.request("POST", path, body=event)
            except KubernetesError as error:
                with logs.about_run(event["regarding"]["uid"]):
                    log.debug("event_not_posted", error=str(error))
            await asyncio.sleep(_PACE_SECONDS)


def build(taskrun: TaskRun, error: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The event about a run that did not succeed."""
    name = f"{taskrun.name[:_LONGEST_NAME].rstrip('.-')}.{secrets.token_hex(8)}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": taskrun.namespace},
        "type": "Warning",
        "reason": clip_word(error["reason"]),
        "note": clip(error["message"], _LONGEST_NOTE),
        "action": "Run",
        "eventTime": exact_timestamp(now),
        "reportingController": f"{GROUP}/operator",
        "reportingInstance": clip(socket.gethostname(), 128),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": taskrun.namespace,
            "name": taskrun.name,
            "uid": taskrun.uid,
        },
    }
