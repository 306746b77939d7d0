"""What stops a command of the command line; each message is for the person at the terminal.

SingletrackError
└── CannotStart     says in one sentence what is wrong and what to do about it
"""

from __future__ import annotations

from singletrack.errors import SingletrackError


class CannotStart(SingletrackError):
    """The platform cannot be started."""
