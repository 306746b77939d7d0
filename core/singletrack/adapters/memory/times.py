"""Durations and times as a server keeps them: milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def from_time(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def to_time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
