"""One analyzer for every engine: what matches what, and where tokens come from."""

from __future__ import annotations

import subprocess
import sys
import threading
import unicodedata

import pytest
import tantivy
from hypothesis import given
from hypothesis import strategies as st

from retrieval.analysis.analyzer import MAX_TOKEN_LENGTH, Analyzer
from retrieval.analysis.folding import fold

ANALYZER = Analyzer()
MIXED_TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("abcXYZ019 -_.,'’\n機器學習马路カナがｶﾞ한국어éüßﬁ①Ａ１\u0301\u3099ᄒ\u1161\u11abไทя"),
        st.characters(),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("AX-1200", ["ax-1200", "ax", "1200"]),
        ("AX1200", ["ax1200", "ax", "1200"]),
        ("v4.1.1", ["v4.1.1", "v", "4", "1", "1"]),
        ("$1,200.50", ["1200.50"]),
        ("2024", ["2024"]),
        ("MQRC_CLUSTER", ["mqrc_cluster", "mqrc", "cluster"]),
        ("well-known", ["well", "known"]),
        ("hello,world", ["hello", "world"]),
        ("it's don't O'Reilly’s", ["it", "don", "o", "reilli"]),
        ("running runs", ["run", "run"]),
        ("机器学习", ["机器", "器学", "学习"]),
        ("猫", ["猫"]),
        ("用Python写", ["用", "python", "写"]),
        ("한국어", ["한국", "국어"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("Привет мир", ["привет", "мир"]),
        ("  ?! ", []),
        ("", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert ANALYZER.tokens(text) == tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("機器學習", "机器学习"),
        ("ＡＢＣ－１２", "abc-12"),
        ("café", "CAFE"),
        ("cafe\u0301", "café"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("ﬁne straße", "fine STRASSE"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("1,200,000", "1200000"),
    ],
)
def test_spellings_of_one_thing_agree(one: str, other: str) -> None:
    assert ANALYZER.tokens(one) == ANALYZER.tokens(other)


def test_a_code_is_found_by_its_parts_and_as_a_whole() -> None:
    tokens = set(ANALYZER.tokens("the AX-1200 printer"))
    for query in ("ax-1200", "AX 1200", "ax1200", "1200"):
        assert tokens & set(ANALYZER.query_tokens(query))


def test_queries_leave_out_stop_words_unless_nothing_else_is_there() -> None:
    assert ANALYZER.query_tokens("the cost of a printer") == ["cost", "printer"]
    assert ANALYZER.query_tokens("to be or not to be") == ["to", "be", "or", "not", "to", "be"]


def test_groups_of_synonyms_that_share_a_word_are_one() -> None:
    analyzer = Analyzer(synonyms=[["laptop", "notebook"], ["pump", "泵"], ["Notebook", "笔记本"], ["水泵", "泵"]])
    assert {analyzer.tokens(word)[-1] for word in ("laptop", "notebook", "笔记本")} == {"=laptop"}
    assert {analyzer.tokens(word)[-1] for word in ("pump", "泵", "水泵")} == {"=pump"}


def test_dictionary_words_and_synonyms_add_one_token() -> None:
    analyzer = Analyzer(["机器学习"], [["notebook", "lap top", "笔记本"], ["AI", "人工智能"]])
    assert "=机器学习" in analyzer.tokens("深度機器學習")
    for text in ("my Notebook", "a LAP top", "買筆記本"):
        assert analyzer.tokens(text).count("=notebook") == 1
    assert "=ai" in analyzer.tokens("什么是人工智能")
    assert "=ai" not in analyzer.tokens("she said")
    assert analyzer.spans("什么是人工智能")[-4:] == [
        ("人工", 3, 5), ("=ai", 3, 7), ("工智", 4, 6), ("智能", 5, 7)
    ]  # fmt: skip


def test_fingerprint_follows_what_changes_tokens_and_a_second_process_agrees() -> None:
    assert Analyzer().fingerprint == ANALYZER.fingerprint
    assert len({ANALYZER.fingerprint, Analyzer(["x"]).fingerprint, Analyzer([], [["x", "y"]]).fingerprint}) == 3
    command = "from retrieval.analysis.analyzer import Analyzer; print(Analyzer(['b', 'a'], [['x', 'y']]).fingerprint)"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == Analyzer(["a", "b"], [["x", "y"]]).fingerprint


@given(MIXED_TEXT)
def test_spans_are_the_tokens_with_their_places(text: str) -> None:
    spans = ANALYZER.spans(text)
    assert sorted(token for token, _, _ in spans) == sorted(ANALYZER.tokens(text))
    for token, start, end in spans:
        assert 0 <= start < end <= len(text)
        assert fold(text[start:end]).replace(",", "")[:1] == token[:1] or not text[start:end].isascii()


@given(MIXED_TEXT)
def test_every_engine_sees_the_same_tokens(text: str) -> None:
    tokens = ANALYZER.tokens(text)
    whitespace = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    assert whitespace.analyze(" ".join(tokens)) == tokens == " ".join(tokens).split()


@given(MIXED_TEXT)
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    if text.isascii():
        assert fold(text) == unicodedata.normalize("NFKC", text).casefold()


def test_encoded_data_cannot_fill_the_index() -> None:
    assert max(map(len, ANALYZER.tokens("Q" * 5000 + " " + "ab9" * 3000 + " " + "x_" * 2000))) <= MAX_TOKEN_LENGTH


def test_threads_share_an_analyzer() -> None:
    words = [f"running{letter}s" for letter in "abcdefghij"] * 200
    expected, results = Analyzer().tokens(" ".join(words)), []
    analyzer = Analyzer()
    threads = [
        threading.Thread(target=lambda: results.append(analyzer.tokens(" ".join(words)))) for _ in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == expected for result in results)
