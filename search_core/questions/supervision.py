"""Where the questions of a run come from, best first: judged ones that are given or stored, else the corpus itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.wording import counted
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.eval_sets import EvalQuery, EvalSetRecord, words_of
from search_core.errors import SupervisionError
from search_core.questions.splits import MIN_QUESTIONS

GIVEN = "given"  # the origin of questions that a caller brought
MADE = "made from the corpus"  # and of those that nobody asked


@dataclass(frozen=True, slots=True)
class Supervision:
    """Questions with judgements; not `judged` where they were made from the corpus: those promote nothing."""

    questions: tuple[EvalQuery, ...]
    origin: str
    judged: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChosenSet:
    """The evaluation set that is taken; None: there is none. `notes` name those that were passed over as too small."""

    record: EvalSetRecord | None
    notes: tuple[str, ...] = ()


def origin_of(name: str) -> str:
    """How a report names the evaluation set."""
    return f"evaluation set {name!r}"


def choose_set(
    catalog: Catalog, collection: Collection, name: str, *, least: int = MIN_QUESTIONS, answered: bool = False
) -> ChosenSet:
    """The set of that name, or without a name the only one that has `least` judged (or answered) questions.

    Raises `NotFoundError`, and `SupervisionError` where the named one is smaller or one of several must be named.
    """
    sets, counts = catalog.eval_sets, _is_answered if answered else _is_judged
    kind = "questions with known answers" if answered else "judged questions"
    instead = "" if answered else ", or ask for questions made from the corpus (--made-questions, made_questions)"
    records = [sets.get(collection, name)] if name else sets.all(collection)
    sizes = {record: sum(counts(query) for query in sets.queries(record)) for record in records}
    large = [record for record, size in sizes.items() if size >= least]
    if name and not large:
        raise SupervisionError(
            f"evaluation set {name!r} has {sizes[records[0]]} {kind}; expected at least {least}, better 200: "
            f"add some to it{instead}"
        )
    if len(large) > 1:
        names = ", ".join(record.name for record in large)
        raise SupervisionError(
            f"collection {collection.name!r} has the evaluation sets {names} with {kind}; name one of them{instead}"
        )
    notes = tuple(
        f"evaluation set {record.name!r} was passed over: it has {size} {kind}, at least {least} are needed"
        for record, size in sizes.items()
        if 0 < size < least
    )
    return ChosenSet(large[0] if large else None, notes)


def given(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], keys: frozenset[str]) -> Supervision:
    """Questions that a caller brought. Raises `SupervisionError` as `checked` does."""
    unknown = sorted(set(qrels) - set(queries))
    if unknown:
        raise SupervisionError(
            f"{counted(len(unknown), 'judged question is', 'judged questions are')} not among the queries, "
            f"the first is {unknown[0]!r}; "
            "check that both files belong together"
        )
    questions = [EvalQuery(name, queries[name], judged) for name, judged in qrels.items()]
    return checked(questions, GIVEN, keys)


def stored(catalog: Catalog, record: EvalSetRecord, keys: frozenset[str]) -> Supervision:
    """The questions of an evaluation set. Raises `SupervisionError` as `checked` does."""
    return checked(catalog.eval_sets.queries(record), origin_of(record.name), keys)


def stored_answers(catalog: Catalog, record: EvalSetRecord) -> Supervision:
    """The questions of an evaluation set of which right answers are known."""
    known = tuple(query for query in catalog.eval_sets.queries(record) if _is_answered(query))
    return Supervision(known, origin_of(record.name), True)


def checked(questions: Sequence[EvalQuery], origin: str, keys: frozenset[str]) -> Supervision:
    """Those questions from which something can be learned; the rest is left out with a note.

    A question is left out that is empty, that calls nothing relevant or has no relevant document in the collection, or
    that says of the same words the contrary of what another says. One that has some of its relevant documents in the
    collection stays, with a note. Raises `SupervisionError` where none is left.
    """
    asked = [question for question in questions if question.text.strip()]
    contradicted = _contradicted(asked)
    agreed = [question for question in asked if question.judgements and question.id not in contradicted]
    wanting = [question for question in agreed if _relevant(question)]
    useful = tuple(question for question in wanting if _relevant(question) & keys)
    counts = (
        (len(questions) - len(asked), "without text"),
        (sum(not question.judgements for question in asked), "without judged documents"),
        (len(agreed) - len(wanting), "of which no document is judged relevant (by a score above 0)"),
        (len(wanting) - len(useful), "whose relevant documents are not in the collection"),
        (len(contradicted), "that contradict each other"),
    )
    notes = tuple(
        f"{counted(count, 'question')} {why} {'was' if count == 1 else 'were'} left out"
        for count, why in counts
        if count
    )
    if not useful:
        reasons = "; ".join(notes) or "there are no questions"
        raise SupervisionError(f"no judged question ({origin}) can be used: {reasons}; {_remedy(wanting)}")
    return Supervision(useful, origin, True, (*notes, *_absent(useful, keys)))


def _remedy(wanting: Sequence[EvalQuery]) -> str:
    """What to do where too few are left; `wanting`: those that call a document relevant, without contradiction."""
    if wanting:
        return "compare the documents' ids with those of the collection"
    return "give each question words and a relevant document, and equal questions equal judgements"


def _absent(questions: Sequence[EvalQuery], keys: frozenset[str]) -> tuple[str, ...]:
    """A note where questions that are asked have relevant documents that no search can find, which lowers all means."""
    absent = frozenset().union(*map(_relevant, questions)) - keys
    if not absent:
        return ()
    lacking = sum(bool(_relevant(question) & absent) for question in questions)
    what = f"{len(absent)} of the documents that are judged relevant, to {lacking} of the questions"
    return (f"{what}, are not in the collection; no search finds them",)


def _relevant(question: EvalQuery) -> frozenset[str]:
    return frozenset(key for key, grade in question.judgements.items() if grade > 0)


def _is_judged(question: EvalQuery) -> bool:
    return bool(_relevant(question))


def _is_answered(question: EvalQuery) -> bool:
    return question.answers is not None


def _contradicted(questions: Sequence[EvalQuery]) -> frozenset[str]:
    """Equal words, one calling a document relevant and the other the same document not relevant."""
    by_text: dict[str, list[EvalQuery]] = {}
    for question in questions:
        by_text.setdefault(words_of(question.text), []).append(question)
    found: set[str] = set()
    for same in by_text.values():
        refused = {key for one in same for key, grade in one.judgements.items() if grade <= 0}
        wanted = frozenset().union(*(_relevant(one) for one in same))
        if refused & wanted:
            found.update(one.id for one in same)
    return frozenset(found)
