"""A change of a task module is noticed once, when it is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from singletrack_cli import reloading


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    return file


async def test_a_burst_of_changes_is_one_change(module: Path) -> None:
    async with reloading.watching([module]) as changes:
        for number in range(5):
            write(module, f"x = {number}\n")
        async with asyncio.timeout(10):
            assert await changes.next() == [module]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * reloading.QUIET_SECONDS):
                await changes.next()


async def test_a_file_that_an_editor_moves_into_place_is_a_change(module: Path) -> None:
    async with reloading.watching([module]) as changes:
        write(module.parent / "draft", "x = 2\n")
        (module.parent / "draft").rename(module)
        async with asyncio.timeout(10):
            assert await changes.next() == [module]


async def test_other_files_of_the_folder_do_not_matter(module: Path) -> None:
    async with reloading.watching([module]) as changes:
        write(module.parent / "other.py", "x = 1\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * reloading.QUIET_SECONDS):
                await changes.next()
