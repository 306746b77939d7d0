"""The demonstration from the first to the last line: programs, platform, story, end."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import TextIO

from singletrack.errors import SingletrackError
from singletrack_cli.controlplane import ensure
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.demo.errors import ClaimFailed
from singletrack_cli.demo.platform_process import left_over, running
from singletrack_cli.demo.stage import Stage
from singletrack_cli.demo.story import STEPS, Step

_INTERRUPTED = 130


def tell(out: TextIO) -> int:
    """The exit code: 0 if every claim holds, 1 with a sentence if not, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    try:
        programs = ensure(os.environ, BuildProgress(sys.stderr))
        claims = _told(programs.folder, out)
    except SingletrackError as error:
        out.flush()
        sys.stderr.write(f"\nThe demonstration failed: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; everything is stopped.\n")
        return _INTERRUPTED
    out.write(f"\nAll {claims} claims hold. It took {time.monotonic() - began:.0f} s.\n")
    return 0


def _told(programs: Path, out: TextIO) -> int:
    """Tell the story; how many claims were made."""
    with (
        tempfile.TemporaryDirectory(
            prefix="singletrack-demo-", ignore_cleanup_errors=True
        ) as folder,
        running(Path(folder), programs, out) as platform,
    ):
        stage = Stage(out, platform.setting())
        for number, step in enumerate(STEPS, start=1):
            stage.tell(f"{number}. {step.title}")
            try:
                step.act(stage)
            except Exception as error:
                stage.show(f"\nWhat the parts said last:\n{platform.last_lines()}\n")
                raise _as_failure(error, step) from error
        stage.tell(f"{len(STEPS) + 1}. Ctrl-C ends everything")
        stage.show("\n^C")
        code = platform.stop()
        stage.claim("`singletrack up` ended in order", code == 0, f"exit code {code}")
        leftovers = left_over(stage.setting.mark)
        stage.claim("no process is left", not leftovers, leftovers)
        return stage.claims


def _as_failure(error: Exception, step: Step) -> SingletrackError:
    """An answer nobody has foreseen fails the demonstration like a claim that does not hold."""
    if isinstance(error, SingletrackError):
        return error
    return ClaimFailed(f"at {step.title!r}: {type(error).__name__}: {error}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends this as Ctrl-C does: in order."""
    raise KeyboardInterrupt
