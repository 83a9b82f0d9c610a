"""Exact and near duplicates, English and Chinese, against the Jaccard similarity computed in full."""

from __future__ import annotations

import doctest
import gzip
import itertools
import json
import os
from pathlib import Path

import pytest

from ingest import duplicates
from ingest.duplicates import DuplicateFinder, find_duplicates, shingles, tokenize

DATA = Path(os.environ.get("KB_TEST_DATA_DIR", Path(__file__).parents[2] / "../shared/data"))
NEWS = DATA / "zh_news_crud" / "documents.jsonl.gz"

ENGLISH = " ".join(f"Valve {n} opens at {n * 3} bar and is tested every {n + 2} months." for n in range(12))
CHINESE = (
    "人民网柏林7月28日电，中国驻德国大使馆举行庆祝招待会，德军政官员、各界人士、多国驻德使节出席了这次活动，"
    "现场气氛热烈友好，双方表示继续合作。"
) * 2


def test_the_documented_example_holds() -> None:
    assert doctest.testmod(duplicates).failed == 0


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_width_case_and_punctuation_do_not_make_a_text_new(text: str) -> None:
    loud = text.upper().replace("，", ", ").replace("7", "７")
    (group,) = find_duplicates([("a", text), ("b", loud), ("c", "something else entirely, and longer than that")])
    assert group.keys == ("a", "b")
    assert group.is_exact


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_a_small_edit_is_a_near_duplicate(text: str) -> None:
    (group,) = find_duplicates([("a", text), ("b", text + " 2026")])
    assert group.keys == ("a", "b")
    assert 0.8 <= group.similarity < 1.0


def test_blank_and_short_texts_are_compared_for_equality_only() -> None:
    assert find_duplicates([("a", ""), ("b", " \n"), ("c", "closed by user"), ("d", "closed by owner")]) == []
    assert [group.keys for group in find_duplicates([("a", "Closed."), ("b", "closed")])] == [("a", "b")]


def test_a_chain_of_repeats_is_one_group() -> None:
    finder = DuplicateFinder()
    assert finder.add("a", ENGLISH) is None
    assert finder.add("b", ENGLISH + " More.") == "a"
    assert finder.add("c", ENGLISH + " More.") == "b"
    assert [group.keys for group in finder.groups()] == [("a", "b", "c")]
    assert len(finder) == 2


def test_all_of_a_long_text_counts() -> None:
    same = " ".join(f"word{n}" for n in range(25_000))
    rest, other = (" ".join(f"{kind}{n}" for n in range(75_000)) for kind in ("rest", "other"))
    assert find_duplicates([("a", f"{same} {rest}"), ("b", f"{same} {other}")]) == []
    (group,) = find_duplicates([("a", f"{same} {rest}"), ("b", f"{rest} {rest} {same}")])
    assert group.similarity > 0.99  # each shingle once, wherever the parts end


@pytest.mark.data
@pytest.mark.skipif(not NEWS.exists(), reason=f"{NEWS} is absent; set KB_TEST_DATA_DIR")
def test_chinese_news_agrees_with_jaccard_in_full() -> None:
    with gzip.open(NEWS, "rt", encoding="utf-8") as file:
        texts = {item["id"]: item["text"] for item in map(json.loads, itertools.islice(file, 120))}
    # the set holds few near duplicates of its own: cut versions of some texts give pairs of known kinds
    texts |= {f"{key}-cut": text[: int(len(text) * 0.93)] for key, text in list(texts.items())[:40]}
    texts |= {f"{key}-half": text[: len(text) // 2] for key, text in list(texts.items())[:40]}
    sets = {key: set(shingles(tokenize(text))) for key, text in texts.items()}
    found = {pair for group in find_duplicates(texts.items()) for pair in itertools.combinations(sorted(group.keys), 2)}
    for one, other in itertools.combinations(sorted(sets), 2):
        similarity = len(sets[one] & sets[other]) / (len(sets[one] | sets[other]) or 1)
        if similarity > 0.9:  # three standard errors away from the threshold on either side
            assert (one, other) in found, similarity
        if similarity < 0.6:
            assert (one, other) not in found, similarity
