"""Which characters of a passage are marked as found."""

from __future__ import annotations

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.search.highlights import highlights, marked_tokens

CODES = "| E-1042 | Water pump runs dry for 3 seconds |\n| E-1043 | Grinder blocked |\n| C4 | Cups of size C. |"


def marked(query: str, text: str) -> list[str]:
    """The marked pieces of the text."""
    analyzer = Analyzer()
    fragments = highlights(analyzer, marked_tokens(analyzer, query), text)
    return [fragment.text[start:end] for fragment in fragments for start, end in fragment.marks]


@pytest.mark.parametrize(
    ("query", "pieces"),
    [
        ("E-1042", ["E-1042"]),  # neither the letter of E-1043
        ("C3", []),  # nor any 3, any C
        ("size C", ["size", "C"]),  # a word of the question by itself, though it is one letter
        ("grinder E-1043", ["E-1043", "Grinder"]),
    ],
)
def test_a_letter_of_a_code_is_marked_with_the_rest_of_it_only(query: str, pieces: list[str]) -> None:
    assert marked(query, CODES) == pieces


@pytest.mark.parametrize("text", ["Fault E-1042.", "Fault E 1042.", "Fault E1042."])
@pytest.mark.parametrize("query", ["E-1042", "e1042"])
def test_a_code_is_marked_however_it_is_written(query: str, text: str) -> None:
    assert "".join(marked(query, text)).replace("-", "") == "E1042"
