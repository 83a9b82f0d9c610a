"""What is written for a collection that was deleted a moment before: it does not exist, which is nobody's failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.rollouts import Stage
from retrieval.errors import InvalidInputError, NotFoundError

ACTS: dict[str, Callable[[Catalog, Collection], Any]] = {
    "plans.add": lambda catalog, gone: catalog.plans.add(gone, "p", {}, "digest", "manual"),
    "plans.promote": lambda catalog, gone: catalog.plans.promote(gone, None, "me", ""),
    "plans.within_reach": lambda catalog, gone: catalog.plans.within_reach(gone),
    "rollouts.begin": lambda catalog, gone: catalog.rollouts.begin(gone, None, Stage.SHADOW, 0.1, {}, "me", ""),
    "collections.pass_over": lambda catalog, gone: catalog.collections.pass_over(gone.id, 1),
    "eval_sets.create": lambda catalog, gone: catalog.eval_sets.create(gone, "e", [EvalQuery("1", "what?", {"a": 1})]),
    "eval_sets.judge": lambda catalog, gone: catalog.eval_sets.judge(gone, "e", "what?", {"a": 1}),
    "experiments.create": lambda catalog, gone: catalog.experiments.create(gone, {}),
    "feedback.add": lambda catalog, gone: catalog.feedback.add(gone, "me", "what?", None, 1, ""),
    "sources.register": lambda catalog, gone: catalog.sources.register(gone, "s", "files"),
    "sources.create": lambda catalog, gone: catalog.sources.create(gone, "s", "postgresql", {}),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_nothing_is_written_for_a_deleted_collection(catalog: Catalog, act: Callable[..., Any]) -> None:
    gone = catalog.collections.create("handbook", "hash", "fp")
    catalog.collections.drop("handbook")
    with pytest.raises(NotFoundError):
        act(catalog, gone)


def test_a_number_that_no_row_can_have_is_no_failure_of_the_catalog(catalog: Catalog, handbook: Collection) -> None:
    with pytest.raises((NotFoundError, InvalidInputError), match="does not exist|refuses a value"):
        catalog.sources.dead_letter(handbook, 2**40)
    with pytest.raises((NotFoundError, InvalidInputError), match="does not exist|refuses a value"):
        catalog.sources.drop_dead_letter(handbook, 2**40)
