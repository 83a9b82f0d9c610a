"""The words of answering: passages that go in, cited answers and their stream of events that come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

PASSAGES_PER_ANSWER = 8  # chunks an answer is read from, unless a request says otherwise


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document comes from: the source's name, the table, the document's key, how far the source was read."""

    name: str = ""
    table: str = ""
    key: str = ""
    position: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved stretch of a document: `text` stands at `start` in the document's text. Best first in a sequence.

    `heading` is that of its chunk, which ends with the header row of a table that the stretch continues. `page`,
    1-based, is the one it begins on.
    """

    chunk_id: str
    document_id: str
    title: str
    text: str
    start: int = 0
    score: float = 0.0
    uri: str | None = None
    as_of: datetime | None = None
    explain: Mapping[str, Any] = field(default_factory=dict)
    heading: str = ""
    page: int | None = None
    source: Origin = Origin()


@dataclass(frozen=True, slots=True)
class Citation:
    """The evidence `[number]` of an answer: `quote` is the document's text from `start` to `end`.

    `page`, 1-based, and `heading` ("Chapter › Section") say where the quote begins. As made from a passage, they are
    the passage's; only the document's outline knows the quote's own.
    """

    number: int
    chunk_id: str
    document_id: str
    start: int
    end: int
    quote: str
    title: str = ""
    uri: str | None = None
    as_of: datetime | None = None
    heading: str = ""
    page: int | None = None
    source: Origin = Origin()

    @classmethod
    def of(cls, number: int, passage: Passage, start: int, end: int) -> Citation:
        """The citation of `passage.text[start:end]`."""
        return cls(
            number=number,
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            start=passage.start + start,
            end=passage.start + end,
            quote=passage.text[start:end],
            title=passage.title,
            uri=passage.uri,
            as_of=passage.as_of,
            heading=passage.heading,
            page=passage.page,
            source=passage.source,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, on which evidence, and how sure.

    `confidence` is the estimated probability, 0 to 1, that the passages hold the answer. A refused answer has no
    citations; `reason` says why. `degraded` is empty unless something less than what was configured answered.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    confidence: float = 0.0
    refused: bool = False
    reason: str = ""
    generator: str = ""
    degraded: str = ""


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """The next characters of the answer; all pieces joined are the text of a final answer that corrects nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationEvent:
    """A citation of the answer, once it is verified."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The last event: the whole answer. It corrects the pieces where they differ."""

    answer: Answer


AnswerEvent: TypeAlias = AnswerPiece | CitationEvent | FinalAnswer


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; `role` is "user" or "assistant"."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """How common terms are in the collection: `document_frequency(token)` of `documents`."""

    documents: int
    document_frequency: Callable[[str], int]


# Those of the passages that are stored and may be read now.
Standing: TypeAlias = Callable[[Sequence[Passage]], Sequence[Passage]]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a generator is asked: a question that stands alone, passages best first, and the conversation before.

    `asked` is the question as it was put, "" where that is the same; a refusal is in its language. `standing` gives
    those passages that are stored and may be read now: what lets seconds pass asks it again before it quotes.
    """

    question: str
    passages: Sequence[Passage]
    history: Sequence[Turn] = ()
    statistics: TermStatistics | None = None  # None: terms are weighted among the passages only
    asked: str = ""
    standing: Standing = list

    @property
    def put(self) -> str:
        """The question as it was put."""
        return self.asked or self.question


def verify_citations(citations: Iterable[Citation], document_text: Callable[[str], str | None]) -> list[str]:
    """What is wrong with the citations, one sentence each; empty when every quote equals the stored text at its span.

    `document_text` gives the stored text of a document id, or None where the document is gone.
    """
    problems = []
    for citation in citations:
        text = document_text(citation.document_id)
        where = f"citation [{citation.number}] of {citation.document_id!r}"
        if text is None:
            problems.append(f"{where}: the document is not stored any more")
        elif not 0 <= citation.start < citation.end <= len(text):
            problems.append(f"{where}: span {citation.start}..{citation.end} is outside its {len(text)} characters")
        elif text[citation.start : citation.end] != citation.quote:
            stored = text[citation.start : citation.end]
            problems.append(f"{where}: quote {citation.quote[:60]!r} differs from the stored {stored[:60]!r}")
    return problems
