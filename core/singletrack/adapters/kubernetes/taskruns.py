"""TaskRuns on the API server: read, list, create, patch, delete, each guarded by the object's uid.

A name may be used again for another object. So whatever changes one names its uid: a status that
was computed for the old object never lands on the new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from singletrack.adapters.kubernetes.errors import Conflict, NotFound
from singletrack.adapters.kubernetes.session import JSON_PATCH, KubernetesSession
from singletrack.custom_resource import API_VERSION, PLURAL
from singletrack.custom_resource.manifest import TaskRun, read
from singletrack.scope import EVERYWHERE, Scope

BASE = f"/apis/{API_VERSION}"
PAGE = 500


class TaskRuns:
    """The TaskRuns of one cluster, or of some of its namespaces."""

    def __init__(
        self,
        session: KubernetesSession,
        scope: Scope = EVERYWHERE,
        *,
        field_manager: str = "singletrack",
    ) -> None:
        self.scope = scope
        self._session = session
        self._manager = field_manager

    async def served(self) -> bool:
        """Whether the API server knows the kind at all."""
        try:
            found = await self._session.request("GET", BASE)
        except NotFound:
            return False
        return any(resource.get("name") == PLURAL for resource in found.get("resources", ()))

    async def get(self, namespace: str, name: str) -> TaskRun:
        return read(await self._session.request("GET", _path(namespace, name)))

    async def find(self, namespace: str, name: str, uid: str) -> TaskRun | None:
        """This very object, or None if it is gone, or its name belongs to another."""
        try:
            found = await self.get(namespace, name)
        except NotFound:
            return None
        return found if found.uid == uid else None

    async def select(self, selector: str = "") -> AsyncIterator[TaskRun]:
        """All TaskRuns of the scope that a field selector selects, page by page.

        Raises:
            Expired: it took so long that the rest cannot be had; what came before is true.
        """
        for path in collections(self.scope):
            async for taskrun in self._list(path, selector):
                yield taskrun

    async def _list(self, path: str, selector: str) -> AsyncIterator[TaskRun]:
        params = {"limit": str(PAGE)} | ({"fieldSelector": selector} if selector else {})
        while True:
            page = await self._session.request("GET", path, params=params)
            for item in page["items"]:
                yield read(item)
            following = page["metadata"].get("continue")
            if not following:
                return
            params["continue"] = following

    async def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> TaskRun:
        """Create one; unknown fields are refused.

        Raises:
            Conflict: the name is taken.
        """
        params = self._writing() | ({"dryRun": "All"} if dry_run else {})
        path = _path(manifest["metadata"]["namespace"])
        return read(await self._session.request("POST", path, params=params, body=manifest))

    async def ask_to_stop(
        self, namespace: str, name: str, uid: str, cancel: Mapping[str, Any]
    ) -> TaskRun:
        """Put `spec.cancel` into this very object.

        Raises:
            NotFound: it is gone.
            Invalid: the name belongs to another object, the run is over, or it is being stopped in
                another way that this may not replace.
        """
        operations = [_same_uid(uid), {"op": "add", "path": "/spec/cancel", "value": cancel}]
        return await self._patch_json(_path(namespace, name), operations)

    async def set_priority(self, namespace: str, name: str, uid: str, priority: int) -> TaskRun:
        """Change `spec.priority` of this very object.

        Raises:
            NotFound: it is gone.
            Invalid: the name belongs to another object, or the run has started.
        """
        operations = [_same_uid(uid), {"op": "add", "path": "/spec/priority", "value": priority}]
        return await self._patch_json(_path(namespace, name), operations)

    async def write_status(self, taskrun: TaskRun, status: Mapping[str, Any]) -> TaskRun:
        """Replace the status, if it is still this object and its spec is the one looked at.

        A merge patch would ignore a wrong uid. The generation is tested because a final status that
        speaks of an older spec could never be mended: `kubectl wait` would hang for ever.

        Raises:
            Invalid: the object or its generation is another one, or the status breaks the schema.
            NotFound: it is gone.
        """
        operations = [
            _same_uid(taskrun.uid),
            {"op": "test", "path": "/metadata/generation", "value": taskrun.generation},
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self._patch_json(
            f"{_path(taskrun.namespace, taskrun.name)}/status", operations
        )

    async def delete(self, namespace: str, name: str, uid: str) -> bool:
        """Delete this very object; False if it is gone already."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._session.request("DELETE", _path(namespace, name), body=body)
        except (NotFound, Conflict):
            return False
        return True

    async def _patch_json(self, path: str, operations: list[dict[str, Any]]) -> TaskRun:
        answer = await self._session.request(
            "PATCH",
            path,
            params=self._writing(),
            body=operations,
            content_type=JSON_PATCH,
        )
        return read(answer)

    def _writing(self) -> dict[str, str]:
        return {"fieldManager": self._manager, "fieldValidation": "Strict"}


def collections(scope: Scope) -> list[str]:
    """The paths that hold all TaskRuns of a scope."""
    return [_path(namespace) for namespace in scope.namespaces] or [f"{BASE}/{PLURAL}"]


def _path(namespace: str, name: str = "") -> str:
    collection = f"{BASE}/namespaces/{namespace}/{PLURAL}"
    return f"{collection}/{name}" if name else collection


def _same_uid(uid: str) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/uid", "value": uid}
