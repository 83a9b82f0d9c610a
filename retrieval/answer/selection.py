"""From scored sentences to an answer text: one to three sentences in reading order, each with its `[n]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.answer.evidence import BLANK_LINE, Candidate, Evidence, continued_header, is_help, is_label, is_problem
from retrieval.answer.question import Kind, asks_for_remedy, fits_kind
from retrieval.answer.sentences import is_list_item, is_table_row, without_list_mark
from retrieval.answer.types import Citation, Passage
from retrieval.answer.variants import names_variant

MAX_SENTENCES = 3
MAX_LIST_ITEMS = 8  # of a list that the chosen sentence announces
CLOSE = 0.7  # a further sentence scores within this of the best (units of the sentence model)
CLOSE_BESIDE = 2.0  # the same for the sentence after it, where it has a name of the question that the best lacks
CLOSE_PLAIN = 6.0  # the same for one on the subject itself, where the best is about a variant of it: as two names weigh
_EXPLAINED = (Kind.REASON, Kind.METHOD, Kind.OTHER)  # kinds that take more than a name or a number
_ANNOUNCES = (":", "：")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:\-]*-[\s|:\-]*")
_INDENTED = re.compile(r"[ \t]*\n[ \t]+")
_MARK = re.compile(r"[-*•‣◦·▪–\d(（]")  # not a letter, which may be an initial
_CJK_END = re.compile(r"[\u3000-\u9fff\uff00-\uffef]$")


class Stretch(NamedTuple):
    """Neighbouring chosen sentences of one passage, cited together."""

    sentences: list[Candidate]

    @property
    def passage(self) -> int:
        """Number of the passage, 0-based."""
        return self.sentences[0].passage


def choose(evidence: Evidence, scores: NDArray[np.float64]) -> list[Candidate]:
    """The best sentence, then close ones that add question words or go on with it; its passage comes first."""
    order = np.argsort(-scores, kind="stable")
    best = evidence.candidates[int(order[0])]
    chosen = [best, *(_list_after(evidence, best) or _belonging_after(evidence, best))]
    chosen += _plain_beside(evidence, scores) + _rows_alike(evidence, best)
    covered = frozenset[str]().union(*(one.tokens for one in chosen))
    for row in order[1:]:
        one = evidence.candidates[int(row)]
        behind = scores[order[0]] - scores[row]
        if len(chosen) >= MAX_SENTENCES or behind > CLOSE_BESIDE:
            break
        is_close = behind <= CLOSE and _adds(evidence, best, one, covered)
        if one not in chosen and (is_close or _tells_beside(evidence, best, one)):
            chosen.append(one)
            covered |= one.tokens
    return sorted(chosen, key=lambda one: (one.passage != best.passage, one.passage, one.order))


def stretches(chosen: Sequence[Candidate]) -> list[Stretch]:
    """The chosen sentences, neighbours of one passage together."""
    found: list[Stretch] = []
    for one in chosen:
        last = found[-1].sentences[-1] if found else None
        if last and last.passage == one.passage and last.order + 1 == one.order:
            found[-1].sentences.append(one)
        else:
            found.append(Stretch([one]))
    return found


def citation_of(number: int, stretch: Stretch, evidence: Evidence) -> Citation:
    """The citation of a stretch; its quote is the stored text from its first to its last sentence."""
    passage = evidence.passages[stretch.passage]
    return Citation.of(number, passage, stretch.sentences[0].span.start, stretch.sentences[-1].span.end)


def render(stretch: Stretch, number: int, evidence: Evidence) -> str:
    """The stretch as it reads in an answer, with its mark: rows under their header, line breaks of wrapping undone."""
    passage = evidence.passages[stretch.passage]
    text = passage.text
    under = {evidence.headers[one] for one in stretch.sentences if one in evidence.headers}
    shown = [one for one in stretch.sentences if one not in under]  # each row says its header
    lines = [_row(passage, one) if is_table_row(one.text) else " ".join(one.text.split()) for one in shown]
    if len(shown) == 1 and _is_of_list(evidence, shown[0]):  # its mark says nothing without the list
        lines[0] = without_list_mark(lines[0])
    joined = lines[0]
    for before, after, line in zip(shown, shown[1:], lines[1:], strict=False):
        gap = "\n" if "\n" in text[before.span.end : after.span.start] else ("" if _CJK_END.search(joined) else " ")
        joined += gap + line
    return f"{joined} [{number}]"


def _is_of_list(evidence: Evidence, one: Candidate) -> bool:
    """Whether a sentence that begins like an item has another item beside it: "5. Mai" and "E. coli" have none."""
    beside = [other for other in evidence.sentences if other.passage == one.passage and other is not one]
    return _is_marked(one.text) and any(_is_marked(other.text) for other in beside)


def _is_marked(sentence: str) -> bool:
    return _MARK.match(sentence) is not None and is_list_item(sentence)


def _adds(evidence: Evidence, best: Candidate, one: Candidate, covered: frozenset[str]) -> bool:
    """Whether a close sentence tells more: new question words, or the next step of an explanation."""
    if one.text == best.text or one.length < 4 or is_label(one):
        return False
    goes_on = one.passage == best.passage and one.order == best.order + 1
    explains = evidence.question.kind in _EXPLAINED
    return evidence.share(covered | one.tokens) > evidence.share(covered) + 1e-9 or (goes_on and explains)


def _tells_beside(evidence: Evidence, best: Candidate, one: Candidate) -> bool:
    """Whether it is the sentence after the best and has a name or number of the question that the best lacks."""
    beside = one.passage == best.passage and one.order == best.order + 1 and not is_label(one)
    return beside and not evidence.question.keys.isdisjoint(one.tokens - best.tokens)


def _plain_beside(evidence: Evidence, scores: NDArray[np.float64]) -> list[Candidate]:
    """Where the best is about a variant of what was asked (the C3 Pro for the C3): what its passage says beside that.

    A manual names its subject in the title and seldom in its sentences, so the variant's sentence has more words of the
    question.
    """
    question, row = evidence.question, int(np.argmax(scores))
    best = evidence.candidates[row]
    if not names_variant(question.text, best.text):
        return []
    topic = best.tokens.intersection(question.terms) - question.keys
    for other in np.argsort(-scores, kind="stable")[1:]:
        one = evidence.candidates[int(other)]
        fits = question.kind is Kind.OTHER or fits_kind(question.kind, one.text, question.text)
        on_topic = one.passage == best.passage and not topic.isdisjoint(one.tokens) and not is_label(one)
        if on_topic and fits and scores[row] - scores[other] <= CLOSE_PLAIN:
            return [] if names_variant(question.text, one.text) else [one]
    return []


def _rows_alike(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """Further rows of its table with the very words of the question that the best has: it does not tell them apart."""
    words = best.tokens.intersection(evidence.question.terms)
    if best not in evidence.headers or not words:
        return []
    rows = [one for one, header in evidence.headers.items() if header == evidence.headers[best] and one != best]
    alike = [one for one in rows if one.tokens.intersection(evidence.question.terms) == words]
    return alike if len(alike) < MAX_SENTENCES else []


def _list_after(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """What a sentence announces: with a colon, or because it is a heading or the header of a table.

    That is the list or table that follows; without one, the rest of the paragraph. Further headings in between come
    along, and the next one ends what a heading announces.
    """
    names = _only_names(evidence, best)
    after = _after(evidence, best)
    headings = list(takewhile(_is_heading, after[: MAX_SENTENCES - 1])) if names else []
    after = after[len(headings) :]
    if not (names or best.text.endswith(_ANNOUNCES)) or not after:
        return []
    text = evidence.passages[best.passage].text
    announced = after[:1]
    for before, one in pairwise(after[:MAX_LIST_ITEMS]):
        gap = text[before.span.end : one.span.start]
        if not _goes_on(after[0].text, one.text, gap) or (names and _is_heading(one)):
            break
        announced.append(one)
    return headings + announced


def _only_names(evidence: Evidence, one: Candidate) -> bool:
    """Whether it is a heading or the header of a table, and holds nothing of the kind that is asked for."""
    if fits_kind(evidence.question.kind, one.text, evidence.question.text):
        return False
    return one in evidence.headers.values() or _is_heading(one)


def _is_heading(one: Candidate) -> bool:
    """Whether it only names what follows; an item of a list may be no more than a name."""
    return is_label(one) and not is_list_item(one.text)


def _belonging_after(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """The rest of what it begins, or what helped: both begin right after it, so that the longer one holds the other."""
    return max(_rest_after(evidence, best), _help_after(evidence, best), key=len)


def _rest_after(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """The rest of a list's item that explains, and of the line that names the trouble where a remedy is asked for."""
    question = evidence.question
    explains = is_list_item(best.text) and question.kind in _EXPLAINED
    if not (explains or asks_for_remedy(question.text)):
        return []
    text, rest, last = evidence.passages[best.passage].text, [], best
    for one in _after(evidence, best)[: MAX_SENTENCES - 1]:
        if "\n" in text[last.span.end : one.span.start]:
            break
        rest.append(one)
        last = one
    return rest


def _goes_on(first: str, line: str, gap: str) -> bool:
    """Whether a sentence, `gap` after the one before it, belongs to the list, table or paragraph that begins so."""
    if is_table_row(first):
        return is_table_row(line) and not BLANK_LINE.search(gap)
    if is_list_item(first):
        return is_list_item(line) or "\n" not in gap or _INDENTED.fullmatch(gap) is not None
    return not BLANK_LINE.search(gap)


def _help_after(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """The line after a problem, and what helped where that is said soon after: nobody asks for the problem alone."""
    after = _after(evidence, best)[: MAX_SENTENCES - 1]
    helps = next((number for number, one in enumerate(after, start=1) if is_help(one.text)), 0)
    return after[: helps or int(is_problem(best.text))]


def _after(evidence: Evidence, best: Candidate) -> list[Candidate]:
    """What follows it in its passage, words of the title too: an item of a list may hold nothing else."""
    return [one for one in evidence.sentences if one.passage == best.passage and one.order > best.order]


def _row(passage: Passage, row: Candidate) -> str:
    """A table row as `header: value; header: value` where its table's header is known."""
    cells = _cells(row.text)
    header = _header(passage, row)
    if len(cells) < 2 or len(cells) > len(header) or cells == header:
        return " | ".join(cells)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=False) if cell)


def _header(passage: Passage, row: Candidate) -> list[str]:
    """The cells of the first row of the table, which stands in the passage's heading where the passage continues it.

    Then it has no rule below its first row, and rows as wide as the heading, which may hold a `|` of its own.
    """
    above = passage.text[: row.span.start].split("\n")[:-1]
    rows = list(takewhile(lambda line: line.lstrip().startswith("|"), reversed(above)))
    first = _cells(rows[-1] if rows else row.text)
    begins_passage, has_rule = len(rows) == len(above), len(rows) > 1 and _RULE.fullmatch(rows[-2])
    if begins_passage and not has_rule:
        continued = _cells(continued_header(passage))
        if len(continued) > 1 and len(continued) == len(first):
            return continued
    return first if rows else []


def _cells(row: str) -> list[str]:
    inside = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inside)]
