"""The shape of a retry rule, as it is asked for and as it is shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from singletrack.retries import MOST_RETRIES, NO_RETRY, RetryCause
from singletrack_api.fields import BackoffSeconds, Count
from singletrack_api.shape import Shape


class Backoff(Shape):
    """How long a run waits for its next attempt: a random time of up to a doubling ceiling."""

    initial_seconds: BackoffSeconds = NO_RETRY.initial_seconds
    """The longest pause before the second attempt."""
    max_seconds: BackoffSeconds = NO_RETRY.max_seconds
    """No pause is longer."""


class RetryRule(Shape):
    """When an attempt that failed is followed by another one of the same run."""

    limit: Annotated[Count, Field(le=MOST_RETRIES)] = 0
    """How many attempts may follow the first one."""
    backoff: Backoff = Backoff()
    causes: tuple[RetryCause, ...] = tuple(RetryCause)
    """After what."""
