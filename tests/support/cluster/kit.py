"""Everything that is made once and serves every cluster: programs and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from support.cluster import images, programs, requirements
from support.cluster.images import Images
from support.cluster.programs import Programs

from singletrack_cli.controlplane.build_progress import BuildProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    programs: Programs
    images: Images

    @classmethod
    def ensure(cls, environ: Mapping[str, str], progress: BuildProgress) -> Self:
        """Found or built; stops at once on a machine where no cluster could run."""
        requirements.check()
        built = programs.ensure(environ, progress)
        return cls(programs=built, images=images.ensure(environ, built, progress))
