"""Text that fits into a resource: within the schema's limits, without what JSON cannot carry."""

from __future__ import annotations

from datetime import UTC, datetime

_LONGEST_WORD = 128
_CUT = "…"


def clean(text: str) -> str:
    """Without lone surrogates, which have no form in UTF-8."""
    return text.encode("utf-8", "replace").decode()


def clip(text: str, longest: int) -> str:
    """The beginning of a text, at most `longest` characters."""
    text = clean(text)
    return text if len(text) <= longest else text[: longest - 1] + _CUT


def clip_word(text: str) -> str:
    """A reason: one word of bounded length."""
    return clip("".join(text.split()) or "Unknown", _LONGEST_WORD)


def tail(text: str, most_bytes: int) -> str:
    """The end of a text, from the beginning of a line where that is near, in so many bytes."""
    encoded = clean(text).encode()
    if len(encoded) <= most_bytes:
        return encoded.decode()
    room = most_bytes - len(_CUT.encode()) - 1
    kept = encoded[-room:].decode(errors="ignore")
    first, newline, rest = kept.partition("\n")
    whole_lines = rest if newline and len(first) < len(kept) // 2 else kept
    return f"{_CUT}\n{whole_lines}"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes its own."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def exact_timestamp(moment: datetime) -> str:
    """RFC 3339 with microseconds, for the start and the end of a run."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
