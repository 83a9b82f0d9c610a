"""Three parts of the questions: to fit weights on, to choose by, and sealed until the one test at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from infra.wording import counted
from retrieval.catalog.eval_sets import EvalQuery, words_of
from search_core.errors import SupervisionError
from search_core.questions.taught_questions import hash_of

SHARES = (
    0.35,
    0.25,
    0.40,
)  # fit, choose, sealed: a gate without power promotes nothing, so the sealed part is the largest
MIN_QUESTIONS = 20  # below that no paired test of the sealed part can reach p < 0.05 but by luck
MIN_PART = 4  # questions; of fewer not even a standard error is known
LARGEST_GROUP = 0.2  # of the questions; larger groups of linked questions cannot be kept on one side
CHAINED = 0.5  # of the questions in one group, mostly by chains of documents
MIN_SEALED = 8  # of those that what serves was not taught: as many as the fewest questions leave
TOO_FEW = (
    "what serves learned from {} of the {} judged questions, or from others about their documents; {} are left to "
    "choose and to prove by, which is too few: add questions, or begin with a plan that has learned nothing"
)

NOTHING: Mapping[str, str] = {}
UNTAUGHT: frozenset[str] = frozenset()
PARTS = ("fit", "choose", "sealed")
BY_DOCUMENT, BY_QUESTION = "document", "question"
SPLITS = (BY_DOCUMENT, BY_QUESTION)


@dataclass(frozen=True, slots=True)
class Split:
    """Places of questions. `by_document` says whether no relevant document stands on two sides.

    `shared`: the share of sealed questions of which a relevant document, or one of the same words, is relevant to a
    question that was worked with. Weights that are learned may know such documents; a plan cannot. `taught`: those of
    `fit` that what serves knows already, or that share a document with such a one.
    """

    fit: tuple[int, ...]
    choose: tuple[int, ...]
    sealed: tuple[int, ...]
    by_document: bool
    shared: float = 0.0
    taught: tuple[int, ...] = ()


def split_questions(
    questions: Sequence[EvalQuery],
    seed: int,
    texts: Mapping[str, str] = NOTHING,
    by: str = BY_DOCUMENT,
    taught: frozenset[str] = UNTAUGHT,
) -> Split:
    """Questions that share a relevant document, or their words, stay on one side as far as that is possible.

    `texts`: what each document says, by key; documents that say the same count as one. `by` question: only equal
    questions stay on one side, which tells what a search is worth for questions like those that were asked before.

    `taught`: hashes (`search_core.questions.taught_questions`) of the questions that what serves learned from. They go
    to `fit` with all that stays on one side with them, so that nothing is chosen or proven by what is known already.

    Where nearly all questions are linked with each other, only equal questions are kept together and `by_document` is
    False. Raises `SupervisionError` for fewer than `MIN_QUESTIONS`, or where all are the same.
    """
    if len(questions) < MIN_QUESTIONS:
        raise SupervisionError(
            f"{counted(len(questions), 'judged question')}; expected at least {MIN_QUESTIONS}, better 200: "
            "add questions, or ask for questions made from the corpus (--made-questions, made_questions)"
        )
    groups = _groups(questions, texts, by_document=by == BY_DOCUMENT)
    if by == BY_DOCUMENT and max(map(len, groups)) > LARGEST_GROUP * len(questions):
        groups = _groups(questions, texts, by_document=False)
    known = [place for group in groups if _is_known(questions, group, taught) for place in group]
    fresh = [group for group in groups if not _is_known(questions, group, taught)]
    fit, choose, sealed = (tuple(sorted(part)) for part in _deal(fresh, known, len(questions), seed))
    if known and (len(sealed) < MIN_SEALED or len(choose) < MIN_PART):
        raise SupervisionError(TOO_FEW.format(len(known), len(questions), len(choose) + len(sealed)))
    if min(len(fit), len(choose), len(sealed)) < MIN_PART:
        raise SupervisionError(
            f"{len(questions)} judged questions are only {counted(len(groups), 'different one')}, not to be split in "
            "three; "
            "add questions in other words to the evaluation set"
        )
    return replace(checked_split(questions, fit, choose, sealed, texts), taught=tuple(sorted(known)))


def given_split(
    questions: Sequence[EvalQuery],
    parts: Mapping[str, str],
    texts: Mapping[str, str] = NOTHING,
    taught: frozenset[str] = UNTAUGHT,
) -> Split:
    """The parts that a caller says: question id -> fit, choose or sealed; a question that is not named is sealed.

    A question whose words stand in a later part too is left out of the earlier one (fit, choose, sealed), so that
    nothing sealed was worked with; one that what serves was taught is left out of choose and sealed. Raises
    `SupervisionError` for another part, or a part too small.
    """
    strange = sorted({part for part in parts.values() if part not in PARTS})
    if strange:
        raise SupervisionError(f"part {strange[0]!r} of the questions is not known; expected {', '.join(PARTS)}")
    known = {at for at, question in enumerate(questions) if hash_of(question.text) in taught}
    dealt: dict[str, tuple[int, ...]] = {}
    seen: set[str] = set()
    for name in reversed(PARTS):
        named = [at for at, question in enumerate(questions) if parts.get(question.id, "sealed") == name]
        left = [at for at in named if name == "fit" or at not in known]
        dealt[name] = tuple(at for at in left if _words(questions[at]) not in seen)
        seen.update(_words(questions[at]) for at in named)
    fit, choose, sealed = (dealt[name] for name in PARTS)
    for name, part in zip(PARTS, (fit, choose, sealed), strict=True):
        if len(part) < MIN_PART:
            without = " that what serves was not taught" if known else ""
            raise SupervisionError(
                f"part {name} has {counted(len(part), 'question')}{without}; expected at least {MIN_PART}"
            )
    split = checked_split(questions, fit, choose, sealed, texts)
    return replace(split, taught=tuple(at for at in fit if at in known))


def checked_split(
    questions: Sequence[EvalQuery],
    fit: tuple[int, ...],
    choose: tuple[int, ...],
    sealed: tuple[int, ...],
    texts: Mapping[str, str] = NOTHING,
) -> Split:
    """The split, with what overlaps counted. Raises `SupervisionError` where one question stands on two sides."""
    sides = [set(fit), set(choose), set(sealed)]
    words = [{_words(questions[at]) for at in side} for side in sides]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        if sides[one] & sides[other] or words[one] & words[other]:
            raise SupervisionError(
                f"the parts {PARTS[one]} and {PARTS[other]} have a question in common; expected none"
            )
    documents = [[_documents(questions[at], texts) for at in side] for side in sides]
    united = [frozenset().union(*side) for side in documents]
    by_document = not (united[0] & united[1] or united[0] & united[2] or united[1] & united[2])
    worked = united[0] | united[1]
    shared = sum(bool(mine & worked) for mine in documents[2]) / max(1, len(documents[2]))
    return Split(fit, choose, sealed, by_document, round(shared, 4))


def _words(question: EvalQuery) -> str:
    return words_of(question.text)


def _documents(question: EvalQuery, texts: Mapping[str, str]) -> frozenset[str]:
    """What is relevant, by what it says where that is known."""
    relevant = (key for key, grade in question.judgements.items() if grade > 0)
    return frozenset(f"text:{texts[key]}" if texts.get(key) else f"key:{key}" for key in relevant)


def _is_known(questions: Sequence[EvalQuery], group: list[int], taught: frozenset[str]) -> bool:
    return bool(taught) and any(hash_of(questions[place].text) in taught for place in group)


def _deal(groups: list[list[int]], fit: list[int], count: int, seed: int) -> list[list[int]]:
    """Each group goes, in random order, where most is lacking; `fit` has these already."""
    generator = np.random.default_rng(seed)
    parts: list[list[int]] = [list(fit), [], []]
    for index in generator.permutation(len(groups)):
        lacking = [share * count - len(part) for share, part in zip(SHARES, parts, strict=True)]
        parts[int(np.argmax(lacking))].extend(groups[index])
    return parts


def _groups(questions: Sequence[EvalQuery], texts: Mapping[str, str], *, by_document: bool) -> list[list[int]]:
    """Questions that are connected by their words or, if wanted, by a relevant document."""
    return connected(
        [
            ["question:" + _words(question), *(sorted(_documents(question, texts)) if by_document else ())]
            for question in questions
        ]
    )


def independent_groups(links: Sequence[Sequence[str]]) -> list[list[int]]:
    """Places that depend on each other; each by itself where more than `CHAINED` of all would be one group.

    So few groups prove nothing, whatever was measured.
    """
    groups = connected(links)
    if max(map(len, groups)) > CHAINED * len(links):
        return [[place] for place in range(len(links))]
    return groups


def document_links(questions: Sequence[EvalQuery], texts: Mapping[str, str] = NOTHING) -> list[list[str]]:
    """Of each question the documents that are relevant to it; with `texts`, by key, those that say the same are one."""
    return [sorted(_documents(question, texts)) for question in questions]


def connected(links: Sequence[Sequence[str]]) -> list[list[int]]:
    """Places that have a link in common, directly or by others between them (union-find)."""
    parent = list(range(len(links)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    for place, names in enumerate(links):
        for link in names:
            parent[root(place)] = root(first.setdefault(link, place))
    found: dict[int, list[int]] = {}
    for place in range(len(links)):
        found.setdefault(root(place), []).append(place)
    return list(found.values())
