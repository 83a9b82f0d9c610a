"""Questions that a corpus makes of itself: a sentence is asked for by its own words."""

from __future__ import annotations

from itertools import islice

from search_core.tuning.pairs import CorpusText, own_pairs

TITLE = "Handbook of the pump"
ENGLISH = "The pump runs at 3.5 bar. Its filter is changed each spring. Whoever opens the valve calls the office first."
CHINESE = "水泵每天检查一次。过滤器每年春天要更换；打开阀门前要先打电话给办公室"


def questions(body: str) -> set[str]:
    return {pair.question for pair in islice(own_pairs([CorpusText(TITLE, body)], 0), 200)} - {TITLE}


def test_english_sentences_end_at_their_full_stops_and_numbers_do_not() -> None:
    assert questions(ENGLISH) == {
        "The pump runs at 3.5 bar.",
        "Its filter is changed each spring.",
        "Whoever opens the valve calls the office first.",
    }


def test_chinese_sentences_end_at_their_marks() -> None:
    sentences = {"水泵每天检查一次。", "过滤器每年春天要更换；", "打开阀门前要先打电话给办公室"}
    assert sentences <= questions(CHINESE)
