"""Which words of a query are looked at, which slips are undone, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.analysis.analyzer import Analyzer
from retrieval.search.spelling import Correction, Vocabulary, correct, corrected, slips, suspects
from retrieval.sparse import SparseView
from retrieval.types import IndexedChunk, ViewBatch

WORDS = st.text("abcde", min_size=1, max_size=6)


def vocabulary(*texts: str) -> Vocabulary:
    analyzer = Analyzer()
    view = SparseView(None, analyzer)
    chunks = [IndexedChunk(n, n, "", "", text, None, (), {}) for n, text in enumerate(texts)]
    view.apply(ViewBatch(1, [], chunks))

    def read(labels: Sequence[int]) -> list[str]:
        return [texts[label] for label in labels]

    return Vocabulary(view, analyzer, read)


def asked(query: str, *texts: str) -> str:
    return corrected(query, correct(query, vocabulary(*texts)))


def distance(one: str, other: str) -> int:
    """Optimal string alignment (Damerau 1964, Levenshtein 1966) by the textbook's table."""
    rows = [[max(i, j) if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            ways = [rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (one[i - 1] != other[j - 1])]
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                ways.append(rows[i - 2][j - 2] + 1)
            rows[i][j] = min(ways)
    return rows[-1][-1]


@given(WORDS, WORDS)
def test_a_slip_is_a_distance_of_one_with_the_same_first_letter(one: str, other: str) -> None:
    assert (other in slips(one)) == (distance(one, other) == 1 and one[0] == other[0])


@pytest.mark.parametrize(
    "query",
    [
        "alarm E-08 of AX-1300",  # a code is not another code
        "resistro_1 resistro2",
        "resistro.conf mail@resistro.com http://resistro x/resistro",
        "the RESISTRO error",  # an abbreviation among words
        "getResistro",
        "电阻怎么接",
        "resi",  # short
        "pesistor",  # another first letter
        "risestro",  # two slips
        "which resistors there?",  # known, in another form
        "the resistorn't",
    ],
)
def test_it_is_left_alone(query: str) -> None:
    assert asked(query, "alarm E-07 of AX-1200: the resistor, a rest", "电阻怎么用") == query


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("Resistro values", "resistor values"),
        ("RESISTRO VALUES", "resistor VALUES"),
        ("the resistro, please (resistro)", "the resistor, please (resistor)"),
        ("anti-resistro", "anti-resistor"),
        ("电阻resistro怎么接", "电阻resistor怎么接"),
        ("mdeical", "médical"),  # as it is written there
        ("thier resistor", "their resistor"),  # a word that searches leave out
    ],
)
def test_it_is_corrected(query: str, meant: str) -> None:
    texts = ("the resistor has values, please", "anti", "电阻怎么接", "médical", "their")
    assert asked(query, *texts) == meant


def test_a_slip_that_is_likely_goes_before_what_is_common() -> None:
    texts = ("the clause", "the cause", "a cause", "arriving", "rising", "arising", "arising")
    assert correct("caluse", vocabulary(*texts)) == (Correction("caluse", "clause"),)  # swapped
    assert correct("ariving", vocabulary(*texts)) == (Correction("ariving", "arriving"),)  # a double one left out
    assert correct("clausse", vocabulary(*texts)) == (Correction("clausse", "clause"),)  # doubled


def test_a_word_of_the_lexicon_is_meant_where_the_documents_write_another_form() -> None:
    held = vocabulary("it was discovered")
    assert correct("discovre", held) == ()
    assert correct("disovereds", held) == ()  # an s makes no plural of it
    assert correct("discovre", replace(held, lexicon=Dictionary())) == (Correction("discovre", "discover"),)


def test_of_several_words_that_are_as_near_the_most_common_is_meant() -> None:
    texts = ("a stable", "a staple, a staple, a staple", "a stable")
    assert correct("stadle", vocabulary(*texts)) == (Correction("stadle", "stable"),)


def test_a_query_of_many_unknown_words_is_of_another_language() -> None:
    texts = ("resistor insulated capacitor",)
    assert asked("resistro insulatde", *texts) == "resistor insulated"
    assert asked("resistro insulatde capacitro", *texts) == "resistro insulatde capacitro"


class Dictionary:
    """A `Lexicon` of two words."""

    def has_word(self, word: str) -> bool:
        return word.lower() in {"reader", "discover"}


def test_a_word_that_the_encoder_knows_is_spelt_right() -> None:
    held = vocabulary("the leader of the sector")
    assert correct("Reader of the sectro", held)[0].meant == "sector"
    assert correct("Reader", replace(held, lexicon=Dictionary())) == ()
    assert correct("the leadre", replace(held, lexicon=Dictionary())) == (Correction("leadre", "leader"),)


def test_pasted_text_is_not_looked_at() -> None:
    query = "resistro " + "the resistor " * 100
    assert suspects(query) == []
    assert suspects(query[:100]) != []
