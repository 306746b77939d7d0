"""What a test does when a real server it needs is not there.

On a developer's machine the test is skipped with a reason; under CI=true it fails, because a suite
that silently tests nothing is worse than a red one. A CI run that cannot have a server says so in
CI_WITHOUT (names separated by blanks): the skip is then its own decision, in its own log.
"""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

T = TypeVar("T")


def require(found: T | None, name: str, remedy: str) -> T:
    """Return `found`, or skip (fail under CI) with a sentence that says what is missing."""
    if found:
        return found
    reason = f"{name} is not available: {remedy}"
    if _must_be_there(name):
        pytest.fail(f"{reason} (CI=true, so this is a failure)", pytrace=False)
    pytest.skip(reason)


def _must_be_there(name: str) -> bool:
    in_ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    return in_ci and name not in os.environ.get("CI_WITHOUT", "").split()
