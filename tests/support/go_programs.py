"""Programs that only tests need, built once from the Go module that pins them.

The same way as the programs of the local control plane: in a workshop beside the place, moved there
when complete, one builder at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.controlplane import gomod, workshop
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.compiling import compile_programs, go_environ
from singletrack_cli.controlplane.workshop import Workshop

SOURCES = Path(__file__).resolve().parents[2] / "k8s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is built from one module."""

    module: Path
    pinned: str
    """The module whose version names the build."""
    packages: Mapping[str, str]
    variables: Callable[[str], Mapping[str, str]] = lambda _version: {}
    tags: tuple[str, ...] = ()
    """Build tags: what is left out of the programs."""


def version(recipe: Recipe) -> str:
    return gomod.read(recipe.module).version(recipe.pinned)


def built_folder(recipe: Recipe, root: Path) -> Path:
    key = gomod.read(recipe.module).key(version(recipe))
    return root / "-".join((recipe.module.name, *recipe.tags, key))


def complete(recipe: Recipe, place: Path) -> bool:
    return all((place / program).is_file() for program in recipe.packages)


def ensure(recipe: Recipe, root: Path, environ: Mapping[str, str], progress: BuildProgress) -> Path:
    """The folder with the programs; says what it builds, since that takes minutes."""
    place = built_folder(recipe, root)
    if not complete(recipe, place):
        names = ", ".join(recipe.packages)
        progress.say(f"Building {names} {version(recipe)}, once: minutes on two cores.")
        with workshop.opened(root, go_environ(environ), progress) as shop:
            if not complete(recipe, place):  # else somebody did while this one waited
                _build(recipe, shop, place)
                progress.say(f"Built in {place}.")
    return place


def _build(recipe: Recipe, shop: Workshop, place: Path) -> None:
    made = shop.folder / recipe.module.name
    compile_programs(
        shop,
        gomod.read(recipe.module),
        recipe.packages,
        made,
        recipe.variables(version(recipe)),
        recipe.tags,
    )
    shop.keep(made, place)
