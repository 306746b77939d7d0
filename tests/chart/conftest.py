"""Both majors of Helm, and of Prometheus, that people use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import helm as helms
from support.helm import Helm
from support.prometheus import programs
from support.prometheus.programs import Programs
from support.rendered import Objects

#: The least one has to say.
LEDGER = {"redis": {"existingSecret": "ledger"}}


@pytest.fixture(scope="session", params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    return helms.find(request.param)


@pytest.fixture(scope="session")
def render(helm: Helm) -> Callable[..., Objects]:
    """The chart's objects, with a ledger unless the values say something of it."""

    def rendered(**values: Any) -> Objects:
        return helm.render(**(LEDGER | values))

    return rendered


@pytest.fixture(scope="session", params=programs.KINDS)
def prometheus(request: pytest.FixtureRequest) -> Programs:
    return programs.find(request.param)
