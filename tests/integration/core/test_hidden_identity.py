"""A server that does not say who it is, as some managed ones: nothing starts there, and it is said.

The server is a real one, of whose program a copy calls its run id by another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.redis_servers import KINDS, RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerMisconfigured
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.run import RunSpec
from singletrack.settings import LedgerSettings

pytestmark = pytest.mark.redis

TOLD, HIDDEN = b"run_id:%s", b"run_ix:%s"


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(request.param, tmp_path)
    whole = server.program.read_bytes()
    assert TOLD in whole, "the program's text for INFO is another one now"
    server.program = tmp_path / "program"
    server.program.write_bytes(whole.replace(TOLD, HIDDEN))
    server.program.chmod(0o700)
    server.start()
    yield server
    server.close_clients()
    server.stop()


@pytest.fixture
def ledger(server: RedisServer) -> Iterator[RedisLedger]:
    with closing(RedisLedger.from_settings(LedgerSettings(redis_url=server.url))) as ledger:
        with pytest.raises(LedgerMisconfigured, match="hides its run_id"):
            ledger.prepare()
        yield ledger


def test_a_server_that_hides_its_run_id_is_refused_in_a_sentence(ledger: RedisLedger) -> None:
    status = ledger.execute(ops.ReadServer())
    assert (status.server_id, status.blessed) == ("", False)


@pytest.mark.parametrize("identity", ["", "a-guess"])
def test_nobody_can_bless_it_and_nothing_starts_there(ledger: RedisLedger, identity: str) -> None:
    assert not ledger.execute(ops.Bless(server_id=identity))
    assert not ledger.execute(ops.ReadServer()).blessed
    spec = RunSpec(run_id="r", task="report", lock="default/reports", envelope="to r")
    assert ledger.execute(ops.Submit(spec=spec)).state is State.READY
    claim = ledger.execute(ops.Claim(run_id="r", nonce="n", worker="w"))
    start = ledger.execute(ops.Start(run_id="r", nonce="m", worker="w"))
    assert (claim.verdict, start.verdict) == (Verdict.RECOVERING, Verdict.RECOVERING)
    assert ledger.execute(ops.GetRun(run_id="r")).attempt == 0  # type: ignore[union-attr]
