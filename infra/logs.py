"""Log lines for people or for machines; set up by entry points only."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from infra.repeats import RepeatCounter
from infra.settings import Settings

TALKATIVE = (
    "alembic",
    "elastic_transport",
    "httpx",
    "httpcore",
    "kafka",
    "pypdf",
    "fontTools",
)  # their INFO is our DEBUG
UNREACHABLE = ("KafkaConnectionError", "socket disconnected", "No node available")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class NotEachTry(logging.Filter):
    """Drops what kafka-python says of each try to connect, several a second: who waits for Kafka says so once."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        return not (record.name.startswith("kafka.") and any(one in record.getMessage() for one in UNREACHABLE))


def set_up_logging(settings: Settings) -> None:
    """Log to standard error in the shape and from the level that the settings name."""
    handler = RepeatCounter()
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if logging.getLevelName(settings.log_level) > logging.DEBUG:
        handler.addFilter(NotEachTry())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    # pdfminer warns of each character of a font without a box; what a PDF holds is read all the same
    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    # kafka-python warns of each of its steps that takes 0.1 s, as every first connection and every busy machine has
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
