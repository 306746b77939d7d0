import logging
import threading

from singletrack_worker.agent import log_thread
from singletrack_worker.agent.log_thread import LogThread


class Reader(logging.Handler):
    """Reads when it is let."""

    def __init__(self):
        super().__init__()
        self.may_read = threading.Event()
        self.read = []

    def emit(self, record):
        self.may_read.wait(10)
        self.read.append(record.getMessage())


def logger_with(reader):
    logger = logging.getLogger("a logger of this test")
    logger.propagate = False
    logger.handlers[:] = [reader]
    return logger, LogThread(logger)


def test_lines_arrive_in_order():
    reader = Reader()
    reader.may_read.set()
    logger, lines = logger_with(reader)
    for number in range(100):
        logger.warning("line %s", number)
    lines.finish(10)
    assert reader.read == [f"line {number}" for number in range(100)]


def test_a_reader_that_hangs_does_not_stop_the_writer(monkeypatch):
    monkeypatch.setattr(log_thread, "_WAITING_LINES", 10)
    reader = Reader()
    logger, lines = logger_with(reader)
    for number in range(100):
        logger.warning("line %s", number)
    lines.finish(0)
    reader.may_read.set()
    lines.finish(10)
    assert reader.read[:10] == [f"line {number}" for number in range(10)]
    assert len(reader.read) < 20
