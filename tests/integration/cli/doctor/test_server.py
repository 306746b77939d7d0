"""Each weak point of a server, planted alone on a real one, is named with what mends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.doctor.planting import Patient, only
from kombu import Connection
from support.redis_servers import REDIS, VALKEY, RedisServer, running
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger, library
from singletrack.findings import Severity

FAST = {
    "SINGLETRACK_LEASE_SECONDS": "1",
    "SINGLETRACK_RENEW_SECONDS": "0.2",
    "SINGLETRACK_FENCE_SECONDS": "0.3",
    "SINGLETRACK_MARGIN_SECONDS": "0.2",
    "SINGLETRACK_BLESSING_GRACE_SECONDS": "1.1",
}


@pytest.fixture
def replica(patient: Patient, tmp_path: Path) -> Iterator[RedisServer]:
    """A replica of the patient's server that has caught up."""
    folder = tmp_path / "replica"
    folder.mkdir()
    primary = patient.server
    settings = {"replicaof": f"127.0.0.1 {primary.port}", "primaryauth": primary.password}
    with running(VALKEY, folder, **settings) as server:
        wait_until(
            lambda: primary.client().info("replication").get("slave0", {}).get("state") == "online",
            30,
            "the replica to be online",
        )
        yield server


async def test_a_sound_server_has_no_finding(patient: Patient) -> None:
    assert await patient.findings() == {}


async def test_a_server_that_evicts(patient: Patient) -> None:
    patient.configure(maxmemory_policy="allkeys-lru")
    found = only(await patient.findings(), "memory", Severity.ERROR)
    assert "'allkeys-lru'" in found.problem
    assert "CONFIG SET maxmemory-policy noeviction" in found.remedy


async def test_little_memory_left(patient: Patient) -> None:
    client = patient.server.client()
    client.setrange("ballast", 50_000_000, "x")  # made there: no buffer of a client counts as used
    used = int(client.info("memory")["used_memory"])
    patient.configure(maxmemory=str(int(used * 1.15)))
    found = only(await patient.findings(), "memory", Severity.WARNING)
    assert "of maxmemory is used" in found.problem
    assert "CONFIG SET maxmemory" in found.remedy


async def test_connections_that_are_dropped_for_memory(patient: Patient) -> None:
    patient.configure(maxmemory_clients="10mb")
    found = only(await patient.findings(), "memory", Severity.WARNING)
    assert found.remedy == "Run: CONFIG SET maxmemory-clients 0"


async def test_no_append_only_file(patient: Patient) -> None:
    patient.configure(appendonly="no")
    diagnosis = await patient.diagnose()
    found = only(await patient.findings(), "durability", Severity.ERROR)
    assert "append-only file is off" in found.problem
    assert "CONFIG SET appendonly yes" in found.remedy
    assert diagnosis.promises[0].startswith("Nothing")


async def test_an_append_only_file_that_is_synced_late(patient: Patient) -> None:
    patient.configure(appendfsync="everysec")
    patient.prepare()
    found = only(await patient.findings(), "durability", Severity.WARNING)
    assert "each start waits up to a second" in found.problem
    assert "CONFIG SET appendfsync always" in found.remedy


async def test_an_append_only_file_that_is_never_synced(patient: Patient) -> None:
    patient.configure(appendfsync="no")
    patient.prepare()
    found = only(await patient.findings(), "durability", Severity.ERROR)
    assert "when the kernel likes" in found.problem


async def test_a_sync_that_was_changed_behind_the_workers_back(patient: Patient) -> None:
    patient.configure(appendfsync="everysec")
    found = await patient.findings()
    assert any("nobody has noted it" in each.problem for each in found["durability"])


async def test_the_weaker_promise(patient: Patient) -> None:
    diagnosis = await patient.diagnose(SINGLETRACK_DURABILITY="relaxed")
    found = only(
        await patient.findings(SINGLETRACK_DURABILITY="relaxed"), "durability", Severity.WARNING
    )
    assert "start a run twice" in found.problem
    assert any(text.startswith("Relaxed") for text in diagnosis.promises)


async def test_a_version_with_known_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(REDIS, tmp_path) as server:
        if int(server.client().info("server")["redis_version"].split(".")[0]) > 7:
            pytest.skip("this Redis is too new to have them")
        patient = Patient(server, monkeypatch)
        patient.prepare()
        found = only(await patient.findings(), "server", Severity.WARNING)
    assert "CVE-2025-49844" in found.problem
    assert "Upgrade to redis 8.6.3" in found.remedy


async def test_another_password(patient: Patient) -> None:
    url = patient.server.url.replace(patient.server.password, "wrong")
    diagnosis = await patient.diagnose(REDIS_URL=url)
    [server] = (each for each in diagnosis.checked if each.name == "server")
    [found] = server.findings
    assert "does not let us in" in found.problem
    assert "redis://user:password@host" in found.remedy
    assert "wrong" not in str([each.findings for each in diagnosis.checked])
    assert {each.name for each in diagnosis.checked if each.status == "ok"} >= {"machine"}


async def test_an_account_that_may_not_ask_what_the_server_is(patient: Patient) -> None:
    url = _account(patient, "+@all", "-info")
    diagnosis = await patient.diagnose(REDIS_URL=url)
    [server] = (each for each in diagnosis.checked if each.name == "server")
    [found] = server.findings
    assert found.remedy == "Run as an administrator: ACL SETUSER worker +info"


async def test_an_account_that_may_not_call_the_functions(patient: Patient) -> None:
    url = _account(patient, "+@all", "-fcall")
    found = only(await patient.findings(REDIS_URL=url), "functions", Severity.ERROR)
    assert "ACL SETUSER worker +fcall" in found.remedy


async def test_an_account_that_may_not_see_everything_still_gets_an_answer(
    patient: Patient,
) -> None:
    url = _account(patient, "+@all", "-config", "-function")
    found = only(await patient.findings(REDIS_URL=url), "server", Severity.INFO)
    assert "may not use CONFIG GET, FUNCTION" in found.problem


async def test_functions_that_are_not_there(patient: Patient) -> None:
    patient.server.client().function_delete(library.NAME)
    found = only(await patient.findings(), "functions", Severity.ERROR)
    assert "is not on the server" in found.problem


async def test_the_doctor_does_not_load_what_is_missing(patient: Patient) -> None:
    patient.server.client().function_flush()
    await patient.diagnose()
    assert patient.server.client().function_list() == []


async def test_functions_of_another_release(patient: Patient) -> None:
    text = library.source().replace(library.digest(), "-- digest of another text")
    patient.server.client().function_load(text, replace=True)
    found = only(await patient.findings(), "functions", Severity.WARNING)
    assert "two releases" in found.problem


async def test_functions_of_another_version_beside_ours(patient: Patient) -> None:
    suffix = f"_v{library.VERSION + 1}"
    text = (
        library.source()
        .replace(library.NAME, f"singletrack{suffix}")
        .replace(f"'_v{library.VERSION}'", f"'{suffix}'")
    )
    patient.server.client().function_load(text)
    found = only(await patient.findings(), "functions", Severity.INFO)
    assert f"singletrack{suffix}" in found.problem


async def test_a_server_that_nobody_blesses(patient: Patient) -> None:
    patient.server.restart()
    up = lambda: int(patient.server.client().info("server")["uptime_in_seconds"])  # noqa: E731
    wait_until(lambda: up() > 6, 20, "the server to have been up for longer than the grace")
    found = only(await patient.findings(**FAST), "upkeep", Severity.ERROR)
    assert "no upkeep runs" in found.problem
    assert "Start the API" in found.remedy


async def test_a_server_that_has_just_started_is_no_reason_to_worry(patient: Patient) -> None:
    patient.server.restart()
    found = only(await patient.findings(), "upkeep", Severity.INFO)
    assert found.remedy == "Wait"


async def test_an_outbox_that_nobody_empties(patient: Patient) -> None:
    patient.server.client().zadd("{st}:due", {"a-run": 1_000})
    found = only(await patient.findings(), "upkeep", Severity.ERROR)
    assert "to be published" in found.problem


async def test_replicas_that_nothing_waits_for(patient: Patient, replica: RedisServer) -> None:
    found = only(await patient.findings(), "replication", Severity.WARNING)
    assert "min-replicas-to-write is 0" in found.problem
    assert "CONFIG SET min-replicas-to-write 1" in found.remedy


async def test_enough_replicas_are_sound(patient: Patient, replica: RedisServer) -> None:
    patient.configure(min_replicas_to_write="1")
    assert await patient.findings() == {}


async def test_a_replica_that_has_stopped_listening(patient: Patient, replica: RedisServer) -> None:
    patient.configure(min_replicas_to_write="1", min_replicas_max_lag="1")
    primary = patient.server.client()
    os.kill(replica.pid, signal.SIGSTOP)
    try:
        good = lambda: primary.info("replication")["min_slaves_good_slaves"]  # noqa: E731
        wait_until(lambda: good() == 0, 40, "the replica to lag")
        found = only(await patient.findings(), "replication", Severity.ERROR)
    finally:
        os.kill(replica.pid, signal.SIGCONT)
    assert "the server refuses every write" in found.problem


async def test_the_address_of_a_replica(patient: Patient, replica: RedisServer) -> None:
    found = await patient.findings(REDIS_URL=replica.url)
    assert any("refuses every write" in each.problem for each in found["server"])


async def test_another_apps_messages_in_the_brokers_database(patient: Patient) -> None:
    with Connection(patient.server.url) as connection:
        queue = connection.SimpleQueue("theirs")
        queue.put({}, headers={"task": "their.task"})
        held = queue.get(timeout=10)
        found = only(await patient.findings(), "broker", Severity.WARNING)
        held.ack()
        queue.close()
    assert "their.task" in found.problem
    assert "a database of its own" in found.remedy


async def test_our_own_messages_are_no_strangers(patient: Patient, ledger: RedisLedger) -> None:
    entry = '{"name": "ours", "parameters": {}}'
    ledger.execute(ops.RegisterTasks(entries={"ours": entry}))
    with Connection(patient.server.url) as connection:
        queue = connection.SimpleQueue("celery")
        queue.put({}, headers={"task": "ours"})
        held = queue.get(timeout=10)
        assert await patient.findings() == {}
        held.ack()
        queue.close()


async def test_a_broker_that_is_not_there(patient: Patient) -> None:
    diagnosis = await patient.diagnose(SINGLETRACK_BROKER_URL="amqp://guest:s3cret@127.0.0.1:1//")
    [broker] = (each for each in diagnosis.checked if each.name == "broker")
    [found] = broker.findings
    assert "127.0.0.1:1" in found.problem
    assert "s3cret" not in found.problem


async def test_leases_that_cannot_be_kept(patient: Patient) -> None:
    found = only(await patient.findings(SINGLETRACK_RENEW_SECONDS="20"), "settings", Severity.ERROR)
    assert found.problem == "SINGLETRACK_RENEW_SECONDS must be at most a quarter of the lease"


def _account(patient: Patient, *rules: str) -> str:
    """The URL of an account with these rights."""
    command = ("ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", *rules)
    patient.server.client().execute_command(*command)
    return f"redis://worker:pw@127.0.0.1:{patient.server.port}/0"
