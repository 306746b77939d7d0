"""What is known of the modules that hold the tasks, without having imported them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.options import DEMO_TASKS

USUAL_START_TASK = "dummy_task"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTask:
    """One task and how a producer gets at it."""

    name: str
    module: str
    attribute: str
    required: Sequence[str] = ()
    """The parameters it cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskModules:
    """The tasks that modules declare, and the files to watch for changes."""

    tasks: tuple[DeclaredTask, ...]
    files: tuple[Path, ...] = ()

    @property
    def first(self) -> DeclaredTask | None:
        """The one to show and to run by `/start`: if possible one that needs no parameters."""
        free = (task for task in self.tasks if not task.required)
        return next(free, next(iter(self.tasks), None))

    def start_task(self, environ: Mapping[str, str]) -> str:
        """What `/start` runs: as the environment says, else the usual one, else the first."""
        told = environ.get("SINGLETRACK_START_TASK", "")
        usual = any(task.name == USUAL_START_TASK for task in self.tasks)
        return told or (self.first.name if self.first and not usual else USUAL_START_TASK)


# They need no look: saves half a second of every start.
DEMO = TaskModules(
    tasks=(DeclaredTask(name="dummy_task", module=DEMO_TASKS, attribute="dummy_task"),)
)
