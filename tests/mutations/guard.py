"""One guard of the protocol, how to take it out of the product, and who notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: A claim of a test that did not hold, and no other error.
ASSERTION = "assert |AssertionError|Failed: DID NOT RAISE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`text` occurs once in `file`; with `instead` in its place, each of `tests` fails."""

    name: str
    file: str
    """From the root of the checkout."""
    text: str
    instead: str
    tests: tuple[str, ...]
    """As pytest names them, from `tests/`."""
    fails_with: str = ASSERTION
    """What the failure begins with, as a pattern; another where a second guard speaks first."""
    sample: bool = False
    """Whether `make test` removes it too; `make mutations` removes all."""


def lua(name: str, file: str, text: str, instead: str, *tests: str, **more: Any) -> Guard:
    """A guard of the function library, noticed by the conformance suite on a real server."""
    return Guard(
        name=name,
        file=f"core/singletrack/adapters/redis_ledger/functions/{file}.lua",
        text=text,
        instead=instead,
        tests=tuple(f"conformance/test_ledger_{test}" for test in tests),
        **more,
    )
