"""What reaches the log of an entry point."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from infra.logs import NotEachTry, set_up_logging
from infra.settings import Settings


@pytest.fixture
def levels() -> Iterator[None]:
    """The level of every logger, as it was before."""
    loggers = [one for one in logging.Logger.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = {one: one.level for one in loggers}
    yield
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.setLevel(before.get(logger, logging.NOTSET))


@pytest.mark.usefixtures("levels")
def test_fonts_of_a_pdf_do_not_fill_the_log() -> None:
    set_up_logging(Settings())
    fonts = logging.getLogger("pdfminer.pdffont")
    assert not fonts.isEnabledFor(logging.WARNING)
    assert fonts.isEnabledFor(logging.ERROR)


def test_an_outage_of_kafka_is_not_told_at_each_try() -> None:
    """The library tries several times a second, as long as it takes."""
    lines = [
        ("kafka.net.manager", "Connection failed: KafkaConnectionError: 111 ECONNREFUSED", False),
        ("kafka.cluster", "No node available for metadata refresh - backoff/retry", False),
        ("kafka.net.transport", "<KafkaTCPTransport [127.0.0.1:9092]>: socket disconnected", False),
        ("kafka.coordinator", "Attempt to join group kb-workers failed: GroupAuthorizationFailedError", True),
        ("ingest.kafka.worker", "the worker stops: KafkaConnectionError", True),
    ]
    for name, message, told in lines:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), None)
        assert bool(NotEachTry().filter(record)) is told, message
