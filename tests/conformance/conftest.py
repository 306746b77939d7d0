"""`ledger`: every adapter in turn, blessed and empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance.ledgers import ADAPTERS, MEMORY, InMemory, LedgerUnderTest, OnServer
from support.redis_servers import SharedServers


@pytest.fixture(params=ADAPTERS)
def ledger(request: pytest.FixtureRequest, key_prefix: str) -> Iterator[LedgerUnderTest]:
    if request.param == MEMORY:
        yield InMemory(queue="celery")
        return
    # Asked for here and not as a parameter: the memory tests must not need a server.
    servers: SharedServers = request.getfixturevalue("shared_servers")
    with servers.lent(request.param) as server:
        under_test = OnServer(server, key_prefix)
        yield under_test
        under_test.close()
