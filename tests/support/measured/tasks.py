"""Tasks that end as the demo's do not."""

from __future__ import annotations

import os

from singletrack import task


@task(name="vanish")
def vanish() -> None:
    """End the whole process with an exit code, past every handler."""
    os._exit(3)
