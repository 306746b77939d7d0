"""What our worker adds to Celery's consumer, every time that connects: receipts, and patience."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.transport.redis import QoS

from singletrack_worker.acknowledging import Acknowledging
from singletrack_worker.attached import main_of
from singletrack_worker.receipts import Receipts

log = structlog.get_logger()


class Consuming(bootsteps.StartStopStep):
    """A step of the consumer, after the one that makes its channel."""

    requires = (Tasks,)

    def start(self, consumer: Any) -> None:
        """Called by Celery when it has connected, before its loop starts."""
        forget_the_dead(consumer.pool._pool)
        qos = getattr(consumer.task_consumer.channel, "qos", None)
        if qos is not None:  # RabbitMQ itself puts back what a lost connection has not acknowledged
            qos.restore_unacked_once = outliving(qos.restore_unacked_once)
        main = main_of(consumer.app)
        if main is not None and isinstance(qos, QoS):
            Acknowledging.attach(qos, main.later)

    def stop(self, consumer: Any) -> None:
        """Called by Celery before it closes the channel."""
        acknowledging = Acknowledging.on(getattr(consumer.task_consumer, "channel", None))
        if acknowledging is not None:
            acknowledging.close()

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called by Celery when its loop starts; after a lost connection it is a new loop."""
        main = main_of(consumer.app)
        if main is not None:
            hub.add_reader(main.receipts.fileno(), _take, main.receipts, main.recorded)


def forget_the_dead(pool: Any) -> None:
    """Have Celery's pool listen to living children only.

    Of a child that died at work Celery keeps the number of the pipe by which it answered, and after
    each reconnect listens there again. By then the number may be that of any other file: say, of a
    pipe by which another child gets its work, which main then takes away, or never writes.
    """
    living = set(pool._pool)
    for number, process in list(pool._fileno_to_outq.items()):
        if process not in living:
            del pool._fileno_to_outq[number]


def outliving(restore: Callable[..., object]) -> Callable[..., None]:
    """Kombu's way to put back what is not acknowledged, without the worker dying of it.

    When the broker is gone, kombu fails on the closed connection with an AttributeError, which ends
    Celery's main process and with it every run. What is not put back then, the broker brings again
    when its visibility timeout is over.
    """

    @wraps(restore)
    def restore_or_leave(*args: Any, **options: Any) -> None:
        try:
            restore(*args, **options)
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("messages_left_to_the_broker", error=str(error))

    return restore_or_leave


def _take(receipts: Receipts, recorded: Callable[[str], None]) -> None:
    for nonce in receipts.read():
        recorded(nonce)
