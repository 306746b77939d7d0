"""Pages whose tables are printed between two lines; what is written around them stays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


class Offence(Exception):
    """What is wrong, in a sentence."""


def between(text: str, begin: str, end: str, tables: str) -> str:
    """The page with the tables in their place.

    Raises:
        Offence: there is no place for them.
    """
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise Offence(f"the page has no lines {begin} and {end} for the tables to stand between")
    return f"{before}{begin}\n\n{tables.strip()}\n\n{end}{after}"


def show(where: Path, page: Callable[[], str]) -> int:
    """Print the page as it should be; the exit code."""
    try:
        text = page()
    except Offence as offence:
        print(f"{where}: {offence}.", file=sys.stderr)
        return 1
    sys.stdout.write(text)
    return 0
