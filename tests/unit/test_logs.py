"""What reaches the log of an entry point."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from infra.logs import set_up_logging
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
