"""The contract of `WordView`: what a view over words tells besides, and the corrections that are made by it."""

# ruff: noqa: D102 - the name of a test is its docstring

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Scope, WordView
from retrieval.search.spelling import Correction, Vocabulary, correct
from retrieval.testing.views import IndexViewContract, make_chunk, topic_text
from retrieval.types import IndexedChunk, Principal, ViewBatch

TEXTS = {  # label -> text; those from 10 on are the board's alone
    1: "A resistor limits the current.",
    2: "Populations of capacitors and resistors.",
    3: "The registers of the population; a stroke.",
    4: "The parts E-07 and AX-1200 are insulated.",
    10: "The merger with Resitor is secret.",
    11: "Thermistors and a resister, a resister",
    12: "Thermistors once more: resister",
    13: "resister",
}
BOARD = 10
STAFF = Principal("anna", frozenset({"staff"}))
NOBODY = Principal("berta", frozenset())


class WordViewContract(IndexViewContract):
    """What every view over words does, whatever it is made of; it analyzes with `Analyzer()`."""

    @abstractmethod
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> WordView:
        """The view under test."""

    def query(self, topic: int) -> Any:
        return topic_text(topic)

    def filled(self) -> WordView:
        """A view of `TEXTS`, in two batches."""
        view = self.make_view(None)
        for seq, labels in enumerate(([*TEXTS][:3], [*TEXTS][3:]), start=1):
            view.apply(ViewBatch(seq, [], [self.row(label, TEXTS[label]) for label in labels]))
        return view

    def row(self, label: int, text: str) -> IndexedChunk:
        """The chunk of that label and text, for those who may read it."""
        return replace(make_chunk(label, 0), text=text, groups=("board",) if label >= BOARD else ("staff",))

    def test_chunks_held_with_other_words_differ(self) -> None:
        view = self.filled()
        rows = {label: self.row(label, text) for label, text in {**TEXTS, 5: "not there"}.items()}
        assert not view.differing(list(rows.values()))
        rows[2] = self.row(2, "Populations of capacitors")  # a word less
        rows[11] = self.row(11, "Thermistors and a resister")  # a word less often
        rows[12] = replace(rows[12], title="Parts")
        assert sorted(view.differing(list(rows.values()))) == [2, 11, 12]
        view.save()
        assert sorted(view.differing(list(rows.values()))) == [2, 11, 12]
        view.close()

    def test_frequencies_are_those_of_each_token(self) -> None:
        view = self.filled()
        tokens = ["resistor", "popul", "thermistor", "resitor", "e-07", "nowher"]
        assert view.frequencies(tokens) == {token: view.document_frequency(token) for token in tokens}
        assert [view.frequencies(tokens)[token] for token in tokens] == [2, 2, 2, 1, 1, 0]
        assert not view.frequencies([])
        view.close()

    def test_a_mistyped_word_becomes_the_nearest_that_a_chunk_writes(self) -> None:
        view = self.filled()
        expected = {
            "resitsor": "resistor",  # two letters swapped
            "capacitrs": "capacitors",  # one left out
            "currrent": "current",  # one doubled
            "currnets": "current",  # which is written in the singular only
            "insylated": "insulated",  # its neighbour on the keyboard
            "populatoin": "population",  # a slip in an ending, of which the index has nothing
        }
        for typed, meant in expected.items():
            assert correct(f"the {typed}?", _vocabulary(view)) == (Correction(typed, meant),), typed
        view.close()

    def test_corrections_tell_nothing_of_what_the_caller_may_not_see(self) -> None:
        view = self.filled()
        theirs = BitMap64(label for label in TEXTS if label < BOARD)
        staff = _vocabulary(view, theirs, Scope(STAFF))
        # the board's own word is as unknown to others as if it were nowhere, and none of its words is suggested
        assert correct("resitor", staff) == (Correction("resitor", "resistor"),)
        assert correct("resitor", _vocabulary(view)) == ()
        assert correct("thermistosr", staff) == ()
        assert correct("thermistosr", _vocabulary(view)) == (Correction("thermistosr", "Thermistors"),)
        # nor do the board's chunks make a word more common than another
        assert correct("resistr", staff) == (Correction("resistr", "resistor"),)
        assert correct("resistr", _vocabulary(view)) == (Correction("resistr", "resister"),)
        assert correct("resistrr", _vocabulary(view, BitMap64(), Scope(NOBODY))) == ()
        view.close()


def _vocabulary(view: WordView, allowed: BitMap64 | None = None, scope: Scope | None = None) -> Vocabulary:
    def texts(labels: Sequence[int]) -> list[str]:
        return [TEXTS[label] for label in labels]

    return Vocabulary(view, Analyzer(), texts, allowed, scope)
