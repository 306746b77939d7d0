"""Why a demonstration ends early.

SingletrackError
├── ClaimFailed       something did not happen as it was claimed
└── CommandFailed     a command of the story did not do what it should
"""

from __future__ import annotations

from singletrack.errors import SingletrackError


class ClaimFailed(SingletrackError):
    """A claim does not hold."""


class CommandFailed(SingletrackError):
    """A command failed."""
