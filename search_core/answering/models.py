"""The answer models that can be compared here: sentences, each reader of the data folder, and an endpoint's prompts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from infra.settings import Settings
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.choice import ENDPOINT, EXTRACTIVE, READER, READERS, AnswerChoice
from retrieval.answer.endpoint import ChatEndpoint, EndpointSettings
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.generated import LanguageModelGenerator
from retrieval.answer.generators import AnswerGenerator
from retrieval.answer.prompt import SLOTS, PromptSlots
from retrieval.answer.reader_folder import read_folder
from retrieval.answer.reader_generator import ReaderGenerator
from retrieval.contracts import Encoder
from retrieval.errors import ReaderError
from search_core.answering.prices import Prices
from search_core.answering.replies import Replies, RepliesOf

logger = logging.getLogger(__name__)

COSTS = {EXTRACTIVE: 0, READER: 1, ENDPOINT: 2}  # of two that are equally good the first is taken


@dataclass(frozen=True, slots=True)
class AnswerModel:
    """What may serve, and how it is opened."""

    choice: AnswerChoice
    open: Callable[[], AnswerGenerator]

    @property
    def cost(self) -> int:
        """Its place by what an answer costs."""
        return COSTS[self.choice.generator]


@dataclass(frozen=True, slots=True)
class Models:
    """Opens models for one collection; an endpoint's replies are kept and never asked for twice."""

    settings: Settings
    encoder: Encoder
    analyzer: Analyzer
    replies: Replies
    left_out: frozenset[str] = frozenset()  # names of readers

    def all(self) -> list[AnswerModel]:
        """Sentences first, then readers by name, then the endpoint's prompts: the default, and each slot changed."""
        found = [self.sentences, *self._readers()]
        if self.settings.llm_base_url and self.settings.llm_model:
            found += [self.endpoint(slots) for slots in variants()]
        return found

    @property
    def prices(self) -> Prices:
        """What an endpoint's answers cost."""
        return Prices.of(self.settings)

    @property
    def sentences(self) -> AnswerModel:
        """The sentence picker."""
        return AnswerModel(AnswerChoice(EXTRACTIVE), lambda: ExtractiveGenerator(self.encoder, self.analyzer))

    def of(self, choice: AnswerChoice) -> AnswerModel:
        """The model of a choice."""
        if choice.generator == READER:
            return self._reader(self.settings.data_dir / READERS / choice.reader)
        return self.endpoint(choice.prompt) if choice.generator == ENDPOINT else self.sentences

    def endpoint(self, slots: PromptSlots) -> AnswerModel:
        """The endpoint of the settings, asked this way."""
        return AnswerModel(AnswerChoice(ENDPOINT, prompt=slots), lambda: self._asked(slots))

    def _asked(self, slots: PromptSlots) -> AnswerGenerator:
        settings = self.settings
        key = settings.llm_api_key.get_secret_value()
        asked = EndpointSettings(
            settings.llm_base_url,
            settings.llm_model,
            key,
            total_timeout=settings.llm_timeout_seconds,
            max_tokens=settings.llm_max_tokens,
        )
        endpoint = ChatEndpoint(asked)
        model = RepliesOf(endpoint, f"{asked.base_url} {asked.model}", self.replies)
        return LanguageModelGenerator(model, self.encoder, self.analyzer, endpoint.close, slots)

    def _readers(self) -> list[AnswerModel]:
        found = []
        for folder in sorted((self.settings.data_dir / READERS).glob("[!.]*/")):
            if folder.name in self.left_out:
                continue
            try:
                read_folder(folder)
            except ReaderError as error:
                logger.warning("%s: it is left out", error)
                continue
            found.append(self._reader(folder))
        return found

    def _reader(self, folder: Path) -> AnswerModel:
        threads = self.settings.reader_threads
        return AnswerModel(
            AnswerChoice(READER, folder.name),
            lambda: ReaderGenerator.of_folder(self.encoder, self.analyzer, folder, threads),
        )


def variants() -> list[PromptSlots]:
    """The default, then one slot changed at a time; `combined` puts together those that helped."""
    default = PromptSlots()
    return [default, *(replace(default, **{name: value}) for name, values in SLOTS.items() for value in values[1:])]


def combined(better: list[PromptSlots]) -> PromptSlots:
    """All changes of the slots that were better than the default, in one."""
    default = PromptSlots()
    changed: dict[str, str] = {}
    for slots in better:
        changed |= {name: getattr(slots, name) for name in SLOTS if getattr(slots, name) != getattr(default, name)}
    return replace(default, **changed)
