"""The command line of a part that is set up by its environment alone: `--help` and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from pydantic_settings import BaseSettings

from singletrack.environment import text_of, variable_of


def parser(name: str, purpose: str, *groups: type[BaseSettings]) -> argparse.ArgumentParser:
    """A parser that takes no arguments; its help lists the settings of `groups`."""
    settings = sorted(line for group in groups for line in _settings(group))
    return argparse.ArgumentParser(
        prog=name,
        description=f"{purpose} It is set up by its environment; what is not set has the default.",
        epilog="settings:\n" + "\n".join(f"  {line}" for line in settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _settings(group: type[BaseSettings]) -> Iterator[str]:
    usual = group.model_construct()
    for name, about in group.model_fields.items():
        value = about.get_default(call_default_factory=True, validated_data=usual.__dict__)
        yield f"{variable_of(name, about)}={text_of(value)}"
