"""A server whose way of syncing is changed, or whose note of it is lost, while it is a ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import structlog
from support.redis_servers import REDIS, VALKEY, RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import AsyncRedisLedger, Keys
from singletrack.adapters.redis_ledger.server import Confirmation
from singletrack.clock import SystemClock
from singletrack.settings import Durability, LeaseSettings, LedgerSettings
from singletrack.upkeep.blessing import Blesser
from singletrack.upkeep.noting import SyncNote

pytestmark = pytest.mark.redis

#: How a write is confirmed where the disk comes later: Redis 7.0 has no way to wait for it.
LATER = {VALKEY: Confirmation.WAITAOF, REDIS: None}


@pytest.fixture
async def ledger(fresh_redis_server: RedisServer) -> AsyncIterator[AsyncRedisLedger]:
    async with _prepared(fresh_redis_server.url) as found:
        yield found


@asynccontextmanager
async def _prepared(url: str) -> AsyncIterator[AsyncRedisLedger]:
    ledger = AsyncRedisLedger.from_settings(LedgerSettings(redis_url=url))
    try:
        await ledger.prepare()
        yield ledger
    finally:
        await ledger.close()


@pytest.fixture
def note(ledger: AsyncRedisLedger) -> SyncNote:
    return SyncNote(ledger, Durability.STRICT)


def sync(server: RedisServer, policy: str) -> None:
    server.client().config_set("appendfsync", policy)


def noted(server: RedisServer) -> str | None:
    found = server.client().hget(Keys("st").meta, "fsync")
    return found if found is None else str(found)


async def blessed(ledger: AsyncRedisLedger) -> ops.ServerStatus:
    status = await ledger.execute(ops.ReadServer())
    assert await ledger.execute(ops.Bless(server_id=status.server_id))
    return await ledger.execute(ops.ReadServer())


async def test_a_change_is_noted_and_told_once_in_each_direction(
    note: SyncNote, fresh_redis_server: RedisServer
) -> None:
    server = fresh_redis_server
    with structlog.testing.capture_logs() as lines:
        assert await note.look() is Confirmation.REPLY
        sync(server, "everysec")
        assert [await note.look(), await note.look()] == [LATER[server.kind]] * 2
        assert noted(server) == "everysec"
        sync(server, "always")
        assert [await note.look(), await note.look()] == [Confirmation.REPLY] * 2

    told = [line for line in lines if line["event"] == "ledger_confirmation_changed"]
    assert [("everysec" in line["ledger"], "always" in line["ledger"]) for line in told] == [
        (True, False),
        (False, True),
    ]
    forgets = [line for line in lines if line["event"] == "ledger_forgets"]
    assert len(forgets) == (LATER[server.kind] is None)


async def test_a_file_that_is_switched_off_is_told_of_too(
    note: SyncNote, fresh_redis_server: RedisServer
) -> None:
    await note.look()
    fresh_redis_server.client().config_set("appendonly", "no")
    with structlog.testing.capture_logs() as lines:
        assert await note.look() is None
    assert [line["log_level"] for line in lines] == ["warning", "error"]
    assert "CONFIG SET appendonly yes" in lines[-1]["remedy"]


async def test_a_flush_takes_the_note_away_and_the_next_look_brings_it_back(
    note: SyncNote, fresh_redis_server: RedisServer
) -> None:
    await note.look()
    fresh_redis_server.client().flushall()
    assert noted(fresh_redis_server) is None

    with structlog.testing.capture_logs() as lines:
        assert await note.look() is Confirmation.REPLY
    assert (noted(fresh_redis_server), lines) == ("always", [])


async def test_an_account_that_may_not_ask_goes_by_what_others_have_noted(
    ledger: AsyncRedisLedger, fresh_redis_server: RedisServer
) -> None:
    server = fresh_redis_server
    rights = ("on", ">secret", "~*", "&*", "+@all", "-@admin", "-@dangerous", "+info")
    server.client().execute_command("ACL", "SETUSER", "worker", *rights)
    worker = AsyncRedisLedger.from_settings(
        LedgerSettings(redis_url=f"redis://worker:secret@127.0.0.1:{server.port}/0")
    )
    async with aclosing(_Closing(worker)):
        sync(server, "everysec")
        assert (await worker.note_server()).fsync == "always"
        await ledger.note_server()
        assert (await worker.note_server()).fsync == "everysec"


class _Closing:
    def __init__(self, ledger: AsyncRedisLedger) -> None:
        self.aclose = ledger.close


async def test_a_server_that_synced_late_before_it_restarted_is_not_trusted_at_once(
    ledger: AsyncRedisLedger, fresh_redis_server: RedisServer
) -> None:
    """What it says after the restart is how it syncs now, and not how it kept what it had."""
    await blessed(ledger)
    sync(fresh_redis_server, "everysec")
    await ledger.note_server()
    fresh_redis_server.restart()  # from a file that says always

    assert (await ledger.prepare()).confirmation is Confirmation.REPLY
    blesser = Blesser(ledger, LeaseSettings(), SystemClock())
    assert not await blesser.look()
    assert (await ledger.execute(ops.ReadServer())).withdrawn


async def test_a_server_that_has_always_synced_first_is_trusted_at_once_after_a_restart(
    ledger: AsyncRedisLedger, fresh_redis_server: RedisServer
) -> None:
    await blessed(ledger)
    fresh_redis_server.restart()
    await ledger.prepare()
    assert await Blesser(ledger, LeaseSettings(), SystemClock()).look()


async def test_a_write_is_confirmed_by_what_the_server_does_now(
    ledger: AsyncRedisLedger, fresh_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if LATER[fresh_redis_server.kind] is None:
        pytest.skip("has no way to wait for its disk; see the test of the whole worker")
    monkeypatch.setattr(type(ledger._shared), "is_stale", True)
    sync(fresh_redis_server, "everysec")
    await ledger.note_server()
    await ledger.execute_durably(ops.PauseLock(lock="default/x", by="test"))

    calls = fresh_redis_server.client().info("commandstats")
    assert calls["cmdstat_waitaof"]["calls"] == 1
