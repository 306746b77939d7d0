"""The TaskRuns that have not ended, as last seen: what the watch and our own writes have told.

Events may come late and out of step with our own writes, so of two versions of an object the one
with the higher resource version counts. An object whose end we have written ourselves is remembered
by its UID until the watch has caught up, so that a late event does not bring it back.
"""

from __future__ import annotations

from collections.abc import Iterator

from singletrack.custom_resource.manifest import TaskRun

DELETED = "DELETED"
_MOST_ENDED = 10_000


class Store:
    """TaskRuns by UID; for one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, TaskRun] = {}
        self._ended: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, uid: str) -> bool:
        return uid in self._known

    def __iter__(self) -> Iterator[TaskRun]:
        return iter(list(self._known.values()))

    def get(self, uid: str) -> TaskRun | None:
        return self._known.get(uid)

    def observe(self, event: str | None, taskrun: TaskRun) -> bool:
        """Take in an event of the watch; answer whether it calls for a look.

        `DELETED` also means "left the selection": then, and only then, the object is dropped, and
        whoever looks will find out which of the two it was.
        """
        uid = taskrun.uid
        if event == DELETED:
            self._ended.pop(uid, None)
            return self._known.pop(uid, None) is not None
        if uid in self._ended or not self._is_newer(taskrun):
            return False
        self._known[uid] = taskrun
        return True

    def put(self, taskrun: TaskRun) -> None:
        """Take in what the API server has just answered."""
        if taskrun.finished:
            self.end(taskrun.uid)
        elif self._is_newer(taskrun):
            self._known[taskrun.uid] = taskrun

    def end(self, uid: str) -> None:
        """Its status is final: forget the object, and what the watch still says of it."""
        self._known.pop(uid, None)
        self._ended[uid] = None
        while len(self._ended) > _MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def drop(self, uid: str) -> None:
        """It is gone, or must be read again before it is looked at."""
        self._known.pop(uid, None)

    def has_ended(self, uid: str) -> bool:
        return uid in self._ended

    def _is_newer(self, taskrun: TaskRun) -> bool:
        known = self._known.get(taskrun.uid)
        return known is None or _is_later(taskrun.resource_version, known.resource_version)


def _is_later(version: str, known: str) -> bool:
    """Resource versions of one kind are integers in the order of their writes.

    Should a server use others, two that differ count as a change.
    """
    if version.isdigit() and known.isdigit():
        return int(version) > int(known)
    return version != known
