"""Where the questions of a run come from, best first: judged ones that are given or stored, else the corpus itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.eval_sets import EvalQuery
from search_core.errors import SupervisionError


@dataclass(frozen=True, slots=True)
class Supervision:
    """Questions with judgements; not `judged` where they were made from the corpus: those promote nothing."""

    questions: tuple[EvalQuery, ...]
    origin: str
    judged: bool
    notes: tuple[str, ...] = ()


def given(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], keys: frozenset[str]) -> Supervision:
    """Questions that a caller brought. Raises `SupervisionError` as `checked` does."""
    unknown = sorted(set(qrels) - set(queries))
    if unknown:
        raise SupervisionError(
            f"{len(unknown)} judged questions are not among the queries, the first is {unknown[0]!r}; "
            "check that both files belong together"
        )
    questions = [EvalQuery(name, queries[name], judged) for name, judged in qrels.items()]
    return checked(questions, "given", keys)


def stored(catalog: Catalog, collection: Collection, name: str, keys: frozenset[str]) -> Supervision | None:
    """The evaluation set of that name, or the only one there is; None where there is none.

    Raises `NotFoundError`, and `SupervisionError` where one of several must be named.
    """
    sets = catalog.eval_sets
    if name:
        return checked(sets.queries(sets.get(collection, name)), f"evaluation set {name!r}", keys)
    known = [record for record in sets.all(collection) if sets.judged(record)]
    if len(known) > 1:
        names = ", ".join(record.name for record in known)
        raise SupervisionError(f"collection {collection.name!r} has the evaluation sets {names}; name one of them")
    if not known:
        return None
    return checked(sets.queries(known[0]), f"evaluation set {known[0].name!r}", keys)


def stored_answers(catalog: Catalog, collection: Collection, name: str) -> Supervision | None:
    """The questions with known answers of the set of that name, or of the only set that has any; None: there is none.

    Raises `NotFoundError`, and `SupervisionError` where the named set has no answers or one of several must be named.
    """
    sets = catalog.eval_sets
    records = [sets.get(collection, name)] if name else sets.all(collection)
    found = {one.name: tuple(query for query in sets.queries(one) if query.answers is not None) for one in records}
    known = {named: questions for named, questions in found.items() if questions}
    if name and not known:
        raise SupervisionError(
            f"evaluation set {name!r} holds no right answers; add `answers` to its questions, or name another set"
        )
    if len(known) > 1:
        names = ", ".join(known)
        raise SupervisionError(f"the evaluation sets {names} of {collection.name!r} have answers; name one of them")
    return next((Supervision(those, f"evaluation set {named!r}", True) for named, those in known.items()), None)


def checked(questions: Sequence[EvalQuery], origin: str, keys: frozenset[str]) -> Supervision:
    """Those questions from which something can be learned; the rest is left out with a note.

    A question is left out that is empty, that has no relevant document in the collection, or that says of the same
    words the contrary of what another says. Raises `SupervisionError` where none is left.
    """
    asked = [question for question in questions if question.text.strip()]
    contradicted = _contradicted(asked)
    agreed = [question for question in asked if question.judgements and question.id not in contradicted]
    useful = tuple(question for question in agreed if _relevant(question) & keys)
    counts = (
        (len(questions) - len(asked), "without text"),
        (sum(not question.judgements for question in asked), "without judged documents"),
        (len(agreed) - len(useful), "whose relevant documents are not in the collection"),
        (len(contradicted), "that contradict each other"),
    )
    notes = tuple(f"{count} questions {why} were left out" for count, why in counts if count)
    if not useful:
        reasons = "; ".join(notes) or "there are no questions"
        raise SupervisionError(f"no judged question ({origin}) can be used: {reasons}; check the ids")
    return Supervision(useful, origin, True, notes)


def _relevant(question: EvalQuery) -> frozenset[str]:
    return frozenset(key for key, grade in question.judgements.items() if grade > 0)


def _contradicted(questions: Sequence[EvalQuery]) -> frozenset[str]:
    """Equal words, one calling a document relevant and the other the same document not relevant."""
    by_text: dict[str, list[EvalQuery]] = {}
    for question in questions:
        by_text.setdefault(" ".join(question.text.casefold().split()), []).append(question)
    found: set[str] = set()
    for same in by_text.values():
        refused = {key for one in same for key, grade in one.judgements.items() if grade <= 0}
        wanted = frozenset().union(*(_relevant(one) for one in same))
        if refused & wanted:
            found.update(one.id for one in same)
    return frozenset(found)
