"""An evaluation set of what people rated, for whoever asks for one: a route and a command."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection
from retrieval.catalog.eval_sets import EvalSetRecord
from retrieval.catalog.rated import rated_questions
from retrieval.errors import InvalidInputError


def rated_set(kb: KnowledgeBase, collection: Collection, name: str) -> EvalSetRecord:
    """The new set of that name. Raises `ConflictError` where there is one, `InvalidInputError` where nothing helped."""
    questions = rated_questions(kb.catalog.feedback.all(collection))
    if not questions:
        raise InvalidInputError(
            f"no feedback on collection {collection.name!r} says which document helped; expected some: thumbs up on "
            "hits in the console, or POST /v1/feedback with a document_key"
        )
    return kb.catalog.eval_sets.create(collection, name, questions)
