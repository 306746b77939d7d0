"""What can go wrong with a cluster of the tests; each message is for the person at the terminal."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot be started, used or stopped."""
