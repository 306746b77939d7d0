"""A folder to build in, beside the place where the result will be.

What stands in the final place is always complete: it is made in a workshop on the same file system
and moved with one rename. One lock per cache lets a second builder wait for the first instead of
doing the same for minutes; the kernel opens it when its holder ends, so nothing is ever stuck, and
who holds it may clear away what a killed builder left.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.children import Child
from singletrack_cli.controlplane.errors import BuildFailed

_SECOND = timedelta(seconds=1)
_GRACE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """One build's own folder, and how it runs programs; `environ` is what these see."""

    folder: Path
    environ: Mapping[str, str]
    progress: BuildProgress

    def run(
        self, what: str, command: Sequence[str | Path], *, inside: Path, **environ: str
    ) -> None:
        """Run one step to its end; ends it, too, when this is interrupted."""
        log = self.folder / "step.log"
        self.progress.begin(what)
        child = Child(command, folder=inside, log=log, environ={**self.environ, **environ})
        try:
            while not child.wait(_SECOND):
                self.progress.tick(_last_line(log))
        finally:
            child.stop(_GRACE)
        if child.returncode != 0:
            raise BuildFailed(f"{what} failed; its last words:\n{child.last_lines()}")
        self.progress.finish()

    def keep(self, made: Path, place: Path) -> None:
        """Move what was made to its final place; there it is complete from its first moment."""
        if place.exists():
            shutil.rmtree(place)  # only ever an incomplete one: somebody deleted a program
        made.rename(place)


@contextmanager
def opened(root: Path, environ: Mapping[str, str], progress: BuildProgress) -> Iterator[Workshop]:
    """Wait until nobody else builds below `root`, and clean up at the end whatever happens."""
    root.mkdir(parents=True, exist_ok=True)
    folder = root / ".workshop"
    with (root / ".lock").open("w") as lock:
        _acquire(lock.fileno(), progress)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield Workshop(folder=folder, environ=environ, progress=progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _acquire(lock: int, progress: BuildProgress) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.say("Another process is building already: waiting for it.")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else ""
