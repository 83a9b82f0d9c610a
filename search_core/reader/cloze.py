"""Practice questions made from plain text, for a reader to begin with (Lewis et al. 2019, "Unsupervised QA by Cloze").

A name, a number or a phrase of a sentence is the answer; the rest of the sentence, thinned out and with an
interrogative in the answer's place or in front, is the question. Where the answer stands elsewhere in the passage too,
the sentence itself is mostly taken out, so that what is left has to be understood and not only compared (the recurring
spans of Ram et al. 2021, "Splinter"). They teach where answers stand, not what questions mean, and they are how pieces
that the vocabulary has just learned get their first meaning.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from retrieval.answer.sentences import split_sentences
from search_core.reader.data import Question

PASSAGE_CHARACTERS = {False: 700, True: 170}  # by whether it is Chinese: about 150 tokens
MIN_SENTENCE = {False: 20, True: 8}  # characters
NEAR = {False: 12, True: 24}  # words, or Chinese characters, kept on either side of the answer
DROPPED = {False: 0.25, True: 0.1}  # share of the words, or Chinese characters, left out of a question
REMOVED = 0.2  # share of the questions whose sentence is taken out of the passage: without an answer then
RECURRING_REMOVED = 0.75  # the same where the answer stands elsewhere in the passage: still answered then
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?:(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}})?,? \d{{4}}|\b1[0-9]{{3}}\b|\b20[0-2]\d\b)"
_NUMBER = r"[$£€]?\b\d(?:[\d,.]{0,12}\d)?\b(?:%| (?:percent|million|billion|thousand|years?|miles|km|people|feet))?"
_NAME = r"(?<=[a-z,] )[A-Z][\w'-]+(?: (?:of |the |de |von )?[A-Z][\w'-]+)*"
_PHRASE = (
    r"\b(?:the|an?|of|by|for|with|as|is|was|were|to|called) (?P<phrase>[a-z]{3,}(?: [a-z]{3,}){0,2})"
    r"(?=[,.;)]| (?:of|in|and|to|is|was|were|by|for|on|with|that|which|from|as|at|or|are|has|had)\b)"
)
_ENGLISH = re.compile(rf"(?P<date>{_DATE})|(?P<number>{_NUMBER})|(?P<name>{_NAME})|{_PHRASE}")
_UNITS = "年月日号时分岁人个名次家亿万元米公里%％度"
_CHINESE = re.compile(
    rf"(?P<date>\d{{2,4}}年(?:\d{{1,2}}月)?(?:\d{{1,2}}日)?)|(?P<number>(?<!\d)\d(?:[\d.,]{{0,10}}\d)?[{_UNITS}]+)|"
    r"(?P<name>(?<=《)[^《》]{2,12}(?=》)|(?<=“)[^“”]{2,10}(?=”)|(?<=[，、：（])[\u4e00-\u9fff]{2,8}(?=[，、。；）]))|"
    r"(?<=[是为在由])(?P<phrase>[\u4e00-\u9fff]{2,10})(?=[，。；])"
)
_ASKED = {
    (False, "date"): ("when", "in what year", "what date"),
    (False, "number"): ("how many", "how much", "what number"),
    (False, "name"): ("who", "what", "which", "where", "what name"),
    (False, "phrase"): ("what", "what kind of", "which", "how"),
    (True, "date"): ("什么时候", "哪一年", "何时"),
    (True, "number"): ("多少", "几", "有多少"),
    (True, "name"): ("什么", "谁", "哪里", "哪个", "是什么"),
    (True, "phrase"): ("什么", "哪里", "谁", "怎样"),
}
_HAN = re.compile(r"[\u4e00-\u9fff]")


def cloze_questions(passages: Sequence[str], most: int, seed: int, each: int = 2) -> list[Question]:
    """Up to `most` questions, at most `each` a passage, the same ones for the same seed."""
    drawn = random.Random(seed)  # noqa: S311 - a sample, not a secret
    parts = [part for passage in passages for part in cut(passage)]
    found: list[Question] = []
    for number in drawn.sample(range(len(parts)), len(parts)):
        if len(found) >= most:
            break
        found += list(_of_passage(parts[number], f"cloze-{number}", drawn))[:each]
    return found[:most]


def cut(text: str) -> Iterator[str]:
    """The text in parts of whole sentences, each about as long as `PASSAGE_CHARACTERS` allows; short rests are left."""
    most = PASSAGE_CHARACTERS[_is_han(text)]
    start = end = 0
    for sentence in split_sentences(text):
        if sentence.end - start > most and end > start:
            yield text[start:end]
            start = sentence.start
        end = sentence.end
    if end - start > most / 5:
        yield text[start:end]


def _is_han(text: str) -> bool:
    return len(_HAN.findall(text)) > len(text) / 3


def _of_passage(text: str, key: str, drawn: random.Random) -> Iterator[Question]:
    han = _is_han(text)
    sentences = [text[one.start : one.end] for one in split_sentences(text)]
    drawn.shuffle(sentences)
    for place, sentence in enumerate(sentences):
        if len(sentence) < MIN_SENTENCE[han]:
            continue
        holes = list((_CHINESE if han else _ENGLISH).finditer(sentence))
        if holes:
            yield _question(text, sentence, _choice(holes, text, drawn), (f"{key}-{place}", key, han), drawn)


def _choice(holes: Sequence[re.Match[str]], text: str, drawn: random.Random) -> re.Match[str]:
    """One of those that recur in the text, if any do."""
    recurring = [hole for hole in holes if text.count(hole.group(str(hole.lastgroup))) > 1]
    return drawn.choice(recurring or holes)


def _question(
    text: str, sentence: str, hole: re.Match[str], kept: tuple[str, str, bool], drawn: random.Random
) -> Question:
    key, article, han = kept
    kind = str(hole.lastgroup)
    answer = hole.group(kind)
    asked = _asked(sentence, hole.span(kind), _ASKED[han, kind], han, drawn)
    without = text.replace(sentence, " ")
    recurs = answer in without
    gone = drawn.random() < (RECURRING_REMOVED if recurs else REMOVED) and len(without.strip()) > MIN_SENTENCE[han]
    answers = (answer.strip(),) if recurs or not gone else ()
    return Question(key, article, asked, without if gone else text, answers)


def _asked(sentence: str, hole: tuple[int, int], words: Sequence[str], han: bool, drawn: random.Random) -> str:
    """The sentence around the hole as a question."""
    before, after = sentence[: hole[0]], sentence[hole[1] :]
    left = (list(before) if han else before.split())[-NEAR[han] :]
    right = (list(after) if han else after.split())[: NEAR[han]]
    left, right = ([word for word in side if drawn.random() > DROPPED[han]] for side in (left, right))
    asking = drawn.choice(words)
    parts = [asking, *left, *right] if drawn.random() < 0.5 else [*left, asking, *right]
    if drawn.random() < 0.3:
        parts = [asking, *right, *left]
    return ("" if han else " ").join(parts).strip(" ,.，。；") + ("？" if han else "?")
