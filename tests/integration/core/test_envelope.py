"""The contract: our envelope is what a real publish by Celery puts on the list."""

import base64
import json

import pytest
from celery import Celery

from singletrack.adapters.celery_broker import OURS, CeleryBroker, make_envelope, shares_server
from singletrack.run import RunSpec

#: What no two publishes share, and the one header that is ours.
VARYING = {"delivery_tag", "reply_to", "origin"}


def real_message(server, run_id, kwargs, queue):
    app = Celery("peer", broker=server.url, set_as_current=False)
    app.send_task("t", kwargs=kwargs, task_id=run_id, queue=queue, ignore_result=False)
    text = server.client().rpop(queue)
    app.close()
    return json.loads(text)


def flat(message):
    body = json.loads(base64.b64decode(message["body"]))
    parts = {"body": body, "type": message["content-type"], "enc": message["content-encoding"]}
    for group in ("headers", "properties"):
        for name, value in message[group].items():
            if name not in VARYING:
                parts[f"{group}.{name}"] = value
    return parts


@pytest.mark.redis
def test_an_envelope_equals_a_real_publish(valkey, key_prefix):
    queue = f"{key_prefix}-queue"
    kwargs = {"name": "Bøb", "n": 1}
    spec = RunSpec(run_id="abc", task="t", kwargs=kwargs, lock="default/x", queue=queue)
    app = Celery("ours", broker=valkey.url, set_as_current=False)
    ours = flat(json.loads(make_envelope(app, spec)))
    assert ours.pop(f"headers.{OURS}") == {"lock": "default/x"}
    theirs = flat(real_message(valkey, "abc", kwargs, queue))
    assert ours == theirs


@pytest.mark.redis
async def test_a_published_envelope_arrives_as_it_was_made(valkey, key_prefix):
    from singletrack.operations import DueRun

    broker = CeleryBroker(broker_url=valkey.url, ledger_url="redis://elsewhere:1/0")
    queue = f"{key_prefix}-queue"
    spec = RunSpec(run_id="abd", task="t", kwargs={"n": 1}, lock="default/x", queue=queue)
    envelope = broker.envelope(spec)
    run = DueRun(run_id="abd", publications=0, queue=queue, envelope=envelope)
    await broker.publish([run])
    arrived = json.loads(valkey.client().rpop(queue))
    assert flat(arrived) == flat(json.loads(envelope))


@pytest.mark.parametrize(
    ("broker", "ledger", "same"),
    [
        ("", "redis://localhost:6379", True),
        ("redis://:pw@127.0.0.1:6379/0", "redis://localhost", True),
        ("redis://localhost:6379/1", "redis://localhost:6379/0", False),
        ("redis://localhost:6380", "redis://localhost:6379", False),
        ("amqp://localhost", "redis://localhost", False),
    ],
)
def test_one_function_may_write_both_only_on_the_same_database(broker, ledger, same):
    assert shares_server(broker, ledger) is same
