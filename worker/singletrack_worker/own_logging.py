"""How the packaged worker app logs: all of a worker in our format, Celery and the tasks as well.

`app.log_cls` of the packaged app alone; a project's own app keeps the logging it has. Celery's own
lines stay, but for those that say twice what ours say, or show what a message holds: parameters and
results are nobody's business who reads a log.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.app.log import Logging
from celery.utils.log import mlevel
from celery.utils.nodenames import node_format
from celery.worker.consumer import consumer as celerys_consumer

from singletrack import logs
from singletrack_worker.attached import installed_in

consumer: Any = celerys_consumer  # celery-types knows the classes alone

#: `app.log_cls` of the packaged app.
LOGGING = f"{__name__}:OwnLogging"

_AT_LEAST = {
    "celery.worker.strategy": logging.WARNING,  # each task that is received, as `run_delivered`
    "celery.app.trace": logging.WARNING,  # each that succeeds, with what it has returned
    "celery.pool": logging.INFO,  # each that is given to a child, with its parameters
}

_WITH_CONTENTS = {
    consumer.UNKNOWN_FORMAT,
    consumer.UNKNOWN_TASK_ERROR,
    consumer.INVALID_TASK_ERROR,
    consumer.MESSAGE_DECODE_ERROR,
}


_Logging: Any = Logging


class OwnLogging(_Logging):  # type: ignore[misc]
    """Celery's set-up of logging, with our lines in the place of its own."""

    def setup_logging_subsystem(
        self, loglevel: Any = None, logfile: Any = None, *_: Any, hostname: Any = None, **__: Any
    ) -> None:
        """Called by Celery in main, and in a child whose log file has another name."""
        if self.already_setup:
            return
        _Logging._setup = True
        installed = installed_in(self.app)
        assert installed is not None  # noqa: S101 - the packaged app is installed when it is made
        path = node_format(logfile, hostname) if logfile and hostname else logfile
        form, level = installed.settings.log.log_format, mlevel(loglevel or self.loglevel)
        logs.configure("worker", form, level, self._detect_handler(path))
        be_discreet()


def be_discreet() -> None:
    """Keep what messages hold out of Celery's lines, at every level."""
    for name, least in _AT_LEAST.items():
        logging.getLogger(name).setLevel(least)
    logging.getLogger(consumer.__name__).addFilter(without_contents)


def without_contents(record: logging.LogRecord) -> bool:
    """Leave of a complaint about a message its first sentence, which says what is wrong with it."""
    if record.msg in _WITH_CONTENTS:
        sentence, *_ = record.msg.strip().splitlines()[0].partition(" [")
        args = record.args if isinstance(record.args, tuple) else ()
        record.msg, record.args = sentence, args[: sentence.count("%")]
    return True
