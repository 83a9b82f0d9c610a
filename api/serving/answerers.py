"""The answerers of one collection: what its plan names, or what the settings say; each is opened at first use."""

from __future__ import annotations

import logging
import threading

from infra.settings import Settings
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.choice import ENDPOINT, EXTRACTIVE, READER, READERS, AnswerChoice, check_reader_name
from retrieval.answer.prompt import PromptSlots
from retrieval.answer.reader_folder import read_folder
from retrieval.answer.stand_in import StandIn
from retrieval.contracts import Encoder
from retrieval.errors import InvalidInputError, ReaderError

logger = logging.getLogger(__name__)


def require_answerer(settings: Settings, choice: AnswerChoice | None) -> None:
    """That what a plan lets answer, if it says so, can. Raises `InvalidInputError`."""
    if choice is None:
        return
    if choice.generator == READER:
        try:
            read_folder(settings.data_dir / READERS / check_reader_name(choice.reader))
        except ReaderError as error:
            logger.warning("%s", error)  # with its folder, which is nobody's who asks
            raise InvalidInputError(
                f"plan.answer.reader is {choice.reader!r}, which cannot be opened; `kb readers list` says why"
            ) from error
    if choice.generator == ENDPOINT and not settings.llm_base_url:
        raise InvalidInputError("plan.answer.generator is 'openai', and no endpoint is named; set KB_LLM_BASE_URL")


class Answerers:
    """Opens and keeps answerers. Thread-safe.

    The one of the settings is opened at once, and a reader that cannot be is an error then: an operator named it. What
    a plan names may have gone since it was promoted: then sentences answer, and say that they stand in.
    """

    def __init__(self, settings: Settings, encoder: Encoder, analyzer: Analyzer) -> None:
        self._settings, self._encoder, self._analyzer = settings, encoder, analyzer
        self._guard = threading.Lock()
        self._open: dict[AnswerChoice, Answerer] = {}
        self._default = AnswerChoice(settings.generator, settings.reader if settings.generator == READER else "")
        self._open[self._default] = self._made(self._default)

    def of(self, choice: AnswerChoice | None) -> Answerer:
        """The answerer of a plan's choice; None: the one of the settings."""
        wanted = choice or self._default
        with self._guard:
            if wanted not in self._open:
                self._open[wanted] = self._made_or_sentences(wanted)
            return self._open[wanted]

    def close(self) -> None:
        """Release what was opened."""
        with self._guard:
            for answerer in self._open.values():
                answerer.close()
            self._open.clear()

    def _made_or_sentences(self, choice: AnswerChoice) -> Answerer:
        try:
            return self._made(choice)
        except (ReaderError, InvalidInputError) as error:
            logger.warning("%s; sentences answer instead", error)
            plain = Answerer.of(EXTRACTIVE, self._encoder, self._analyzer)
            # The log alone names the reader's folder: whoever may ask is told what stands in.
            reason = f"reader {choice.reader!r} cannot be opened" if choice.generator == READER else str(error)
            return Answerer(StandIn(plain.generator, f"{reason}; answered extractively"))

    def _made(self, choice: AnswerChoice) -> Answerer:
        if choice.generator == READER:
            folder = self._settings.data_dir / READERS / check_reader_name(choice.reader)
            threads = self._settings.reader_threads
            return Answerer.of(READER, self._encoder, self._analyzer, folder=folder, threads=threads)
        if choice.generator == ENDPOINT:
            return endpoint_answerer(self._settings, self._encoder, self._analyzer, choice.prompt)
        return Answerer.of(EXTRACTIVE, self._encoder, self._analyzer)


def endpoint_answerer(settings: Settings, encoder: Encoder, analyzer: Analyzer, slots: PromptSlots) -> Answerer:
    """An answerer behind the endpoint of the settings. Raises `InvalidInputError` where none is named."""
    return Answerer.of(
        ENDPOINT,
        encoder,
        analyzer,
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value(),
        model=settings.llm_model,
        total_timeout=settings.llm_timeout_seconds,
        max_tokens=settings.llm_max_tokens,
        slots=slots,
    )
