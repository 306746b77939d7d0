from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singletrack.operations import Cause, Grant
from singletrack.run import Door
from singletrack_worker.agent import messages as msg
from singletrack_worker.agent.messages import MessageError, Role, decode, encode

GRANT = Grant(
    run_id="r",
    nonce="n",
    token=1792800000000001,
    lock="default/a",
    attempt=1,
    soft_timeout_seconds=1.5,
    door=Door.REST,
)

EVERY_MESSAGE = [
    msg.Hello(role=Role.CHILD),
    msg.ChildExit(pid=17, code=-9),
    msg.Stopping(),
    msg.Bind(run_id="r", nonce="n", sent_at=12.5, spec='{"ü": 1}'),
    msg.Bind(run_id="r", nonce="n", sent_at=12.0),
    msg.Started(grant=GRANT),
    msg.Leaving(nonce="n"),
    msg.Bequeath(nonce="n", outcome="[]"),
    msg.Left(nonce="n"),
    msg.Why(nonce="n"),
    msg.Ping(),
    msg.Done(),
    msg.Bound(deadline=22.0),
    msg.Refused(reason="no"),
    msg.Clear(cause=Cause.TIMED_OUT, zombies=(4, 5)),
    msg.Clear(),
    msg.Alive(until=3.0),
    msg.Alive(),
    msg.Reap(pids=(1, 2)),
]


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=str)
def test_a_message_survives_the_socket(message):
    packet = decode(encode(7, message))
    assert packet.number == 7
    assert packet.message == message
    assert type(packet.message) is type(message)


def test_every_kind_of_message_is_tested_here():
    assert {type(message) for message in EVERY_MESSAGE} == set(msg._CLASSES.values())


def test_a_field_that_is_missing_has_its_default():
    assert decode(b'[1, "Bind", {"run_id": "r", "nonce": "n", "sent_at": 1}]').message == (
        msg.Bind(run_id="r", nonce="n", sent_at=1.0, spec="")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'[1, "Bind"]',
        b'["1", "Bind", {"nonce": "n"}]',
        b'[true, "Bind", {"nonce": "n"}]',
        b'[1, "Nothing", {}]',
        b'[1, ["Bind"], {}]',
        b'[1, "Bind", {}]',
        b'[1, "Bind", []]',
        b'[1, "Bind", {"nonce": 5}]',
        b'[1, "Bind", {"nonce": "n", "more": 1}]',
        b'[1, "Started", {"nonce": "n", "timeout_seconds": NaN}]',
        b'[1, "Started", {"nonce": "n", "timeout_seconds": Infinity}]',
        b'[1, "Started", {"nonce": "n", "timeout_seconds": true}]',
        b'[1, "Hello", {"role": "king"}]',
        b'[1, "Started", {"grant": {"run_id": "r"}}]',
        b'[1, "ChildExit", {"pid": 1.5, "code": 1}]',
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_message_is_refused(data):
    with pytest.raises(MessageError):
        decode(data)


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda x: repr(x).encode()))
def test_no_packet_of_another_process_can_raise_anything_else(data):
    with suppress(MessageError):
        decode(data)


def _grant():
    return (
        b'{"run_id": "r", "nonce": "n", "token": 1792800000000001, "lock": "default/a",'
        b' "attempt": 1, "door": "rest"}'
    )
