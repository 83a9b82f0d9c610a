"""Tells citations the page and the headings of what they quote; a passage knows those of its beginning only."""

from __future__ import annotations

from dataclasses import replace

from ingest.sections import joined_headings
from retrieval.answer.types import Answer, AnswerEvent, Citation, CitationEvent, FinalAnswer
from retrieval.catalog import Collection
from retrieval.catalog.places import Places
from retrieval.search.types import SearchResult
from retrieval.types import Principal


class CitationPlaces:
    """The places of one answer's citations; each is looked up once.

    Where a document changed since the search, or may not be read any more, its outline says nothing about the quote:
    the citation keeps what its passage knows.
    """

    def __init__(self, places: Places, collection: Collection, search: SearchResult, principal: Principal) -> None:
        self._places, self._collection, self._principal = places, collection, principal
        self._keys = {hit.chunk_id: hit.chunk.key for hit in search.hits}
        self._placed: dict[Citation, Citation] = {}

    def of_event(self, event: AnswerEvent) -> AnswerEvent:
        """The event, with the places of the citations that it brings."""
        if isinstance(event, CitationEvent):
            return CitationEvent(self._of(event.citation))
        return FinalAnswer(self.of_answer(event.answer)) if isinstance(event, FinalAnswer) else event

    def of_answer(self, answer: Answer) -> Answer:
        """The answer, with the places of its citations."""
        return replace(answer, citations=tuple(map(self._of, answer.citations)))

    def _of(self, citation: Citation) -> Citation:
        if citation not in self._placed:
            self._placed[citation] = self._looked_up(citation)
        return self._placed[citation]

    def _looked_up(self, citation: Citation) -> Citation:
        key = self._keys[citation.chunk_id]
        place = self._places.of(self._collection, key, citation.start, citation.end, self._principal)
        if place is None or place.text != citation.quote:
            return citation
        return replace(citation, heading=joined_headings(place.headings, place.title), page=place.page)
