"""A whole examination: all looks side by side, each with its deadline, then all checks."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from singletrack.findings import Finding, Severity, error
from singletrack.settings import Settings
from singletrack_cli.doctor.facts import CannotTell, Facts, NotAsked, SettingsRead, Target
from singletrack_cli.doctor.observing import Observe, read_settings
from singletrack_cli.doctor.promises import promises
from singletrack_cli.doctor.registry import CHECKS, OBSERVERS, Check

_SLOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one check."""

    name: str
    summary: str
    """What was seen, or why nothing was."""
    findings: tuple[Finding, ...] = ()
    done: bool = True

    @property
    def status(self) -> str:
        """`ok`, the worst severity, or `unknown`."""
        if self.findings:
            return worst(self.findings).value
        return "ok" if self.done else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All of it."""

    checked: tuple[Checked, ...]
    promises: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for each in self.checked for finding in each.findings)


def worst(findings: tuple[Finding, ...]) -> Severity:
    """The highest severity; the members are declared from the least to the worst."""
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index)


async def examine(target: Target, out: TextIO = sys.stderr) -> Diagnosis:
    """Look, then judge; `out` is told when it takes long."""
    read = read_settings()
    observed = await observe_all(target, read.settings, out)
    return judge_all(Facts({SettingsRead: read, **observed}))


def judge_all(facts: Facts) -> Diagnosis:
    """Every check on these facts; pure."""
    checked = (judged(check, facts) for check in CHECKS)
    told = tuple(each for each in checked if each is not None)
    return Diagnosis(checked=told, promises=tuple(promises(facts)))


def judged(check: Check, facts: Facts) -> Checked | None:
    """One check; without its facts it says why, and tells the weak point if that is its own.

    Of several checks on something nobody asked for only the first says so.
    """
    try:
        summary, findings = check.judge(facts)
    except NotAsked as reason:
        skipped = Checked(name=check.name, summary=reason.reason, done=False)
        return skipped if check.owns is reason.kind else None
    except CannotTell as reason:
        if check.owns is reason.kind and reason.finding:
            return Checked(name=check.name, summary="", findings=(reason.finding,))
        return Checked(name=check.name, summary=f"not checked: {reason.reason}", done=False)
    return Checked(name=check.name, summary=summary, findings=tuple(findings))


async def observe_all(target: Target, settings: Settings, out: TextIO) -> Mapping[type[Any], Any]:
    """All looks at once."""
    waiting: dict[str, float] = {}

    async def one(name: str, look: Observe) -> Any:
        waiting[name] = time.monotonic()
        try:
            async with asyncio.timeout(target.seconds):
                return await look(target, settings)
        except CannotTell as reason:
            return reason
        except TimeoutError:
            problem = f"the look at the {name} took longer than {target.seconds:g} s"
            return CannotTell(problem, error(problem, "Try again with a longer --timeout"))
        except Exception as failure:  # noqa: BLE001 - the other looks must go on
            problem = f"the look at the {name} failed: {type(failure).__name__}: {failure}"
            return CannotTell(problem, error(problem, "Report this with the command's output"))
        finally:
            del waiting[name]

    async with _telling(waiting, out):
        found = await asyncio.gather(*(one(each.name, each.look) for each in OBSERVERS))
    return dict(zip((each.kind for each in OBSERVERS), found, strict=True))


@asynccontextmanager
async def _telling(waiting: Mapping[str, float], out: TextIO) -> AsyncIterator[None]:
    async def tell() -> None:
        while True:
            await asyncio.sleep(_SLOW_SECONDS)
            now = time.monotonic()
            slow = [f"{name} {now - since:.0f} s" for name, since in waiting.items()]
            out.write(f"still looking at: {', '.join(slow)}\n")
            out.flush()

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()


def severities(findings: tuple[Finding, ...]) -> Iterator[tuple[Severity, int]]:
    """How many of each, the worst first."""
    for severity in reversed(Severity):
        number = sum(finding.severity is severity for finding in findings)
        if number:
            yield severity, number
