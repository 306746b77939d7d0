"""The broker port on Celery: a bare Celery app that makes envelopes and, if need be, publishes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from singletrack.adapters.celery_broker.envelope import make_envelope, shares_server
from singletrack.errors import BrokerUnavailable
from singletrack.operations import DueRun
from singletrack.run import RunSpec
from singletrack.settings import Settings

_RETRIES = {"max_retries": 2, "interval_start": 0.1, "interval_max": 0.5}


class CeleryBroker:
    """Celery's broker as the outbox sees it; see `singletrack.broker.Broker`."""

    def __init__(self, broker_url: str, ledger_url: str) -> None:
        self._in_ledger = shares_server(broker_url, ledger_url)
        self._url = broker_url or ledger_url

    @classmethod
    def from_settings(cls, settings: Settings) -> CeleryBroker:
        return cls(settings.broker.broker_url, settings.ledger.redis_url)

    @property
    def in_ledger(self) -> bool:
        return self._in_ledger

    @cached_property
    def _app(self) -> Celery:
        app = Celery("singletrack", broker=self._url, set_as_current=False)
        app.conf.broker_transport_options = {"confirm_publish": True}
        return app

    def envelope(self, spec: RunSpec) -> str:
        return make_envelope(self._app, spec)

    async def publish(self, runs: Sequence[DueRun]) -> None:
        if runs:
            await asyncio.to_thread(self._publish, runs)

    def _publish(self, runs: Sequence[DueRun]) -> None:
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for run in runs:
                    self._send(producer, run)
        except (OperationalError, OSError) as error:
            raise BrokerUnavailable(f"the broker did not take a message: {error}") from error

    def _send(self, producer: Any, run: DueRun) -> None:
        message = json.loads(run.envelope)
        properties = message["properties"]
        producer.publish(
            base64.b64decode(message["body"]),
            content_type=message["content-type"],
            content_encoding=message["content-encoding"],
            headers=message["headers"],
            correlation_id=properties["correlation_id"],
            reply_to=properties.get("reply_to") or None,
            delivery_mode=properties["delivery_mode"],
            exchange="",
            routing_key=run.queue,
            declare=[self._app.amqp.queues[run.queue]],
            retry=True,
            retry_policy=_RETRIES,
        )
