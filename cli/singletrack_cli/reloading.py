"""Notices that a task module's file was changed, once per burst of changes.

Folders are watched, not files: editors write a new file and move it over the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

QUIET_SECONDS = 0.3
"""How long no file must have changed before the change counts as done."""


class Changes:
    """What has changed since one asked last."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._watched: set[Path] = set()
        self.watch(files)
        self._changed: set[Path] = set()
        self._something = asyncio.Event()

    def watch(self, files: Iterable[Path]) -> None:
        """Care for these files from now on, as far as they are in the folders that are watched."""
        self._watched = {file.resolve() for file in files}

    def see(self, path: Path) -> None:
        """A file was written, moved or deleted."""
        file = path.resolve()
        if file in self._watched:
            self._changed.add(file)
            self._something.set()

    async def next(self) -> list[Path]:
        """Wait for changes, and until they have come to rest."""
        await self._something.wait()
        while self._something.is_set():
            self._something.clear()
            await asyncio.sleep(QUIET_SECONDS)
        changed, self._changed = sorted(self._changed), set()
        return changed


@asynccontextmanager
async def watching(files: Iterable[Path]) -> AsyncIterator[Changes]:
    """The changes of these files while the block runs."""
    # Only who reloads pays for it.
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    loop, files = asyncio.get_running_loop(), list(files)
    changes = Changes(files)

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in {"modified", "created", "moved", "deleted"}:
                for path in (event.src_path, event.dest_path):
                    loop.call_soon_threadsafe(changes.see, Path(str(path)))

    observer = Observer()
    for folder in {file.parent for file in files}:
        observer.schedule(Handler(), str(folder))
    observer.start()
    try:
        yield changes
    finally:
        observer.stop()
