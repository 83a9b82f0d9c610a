"""Builds a generation: cut, embed, compare; it does not serve yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api.generations.comparison import compare, evaluation_set
from api.generations.options import ReindexOptions
from api.knowledge_base import KnowledgeBase
from api.serving.exclusive import exclusively
from ingest.regeneration import Pace, cut_missing, embed_missing
from ingest.targets import chunker_of, cutting_of
from retrieval.catalog import Collection
from retrieval.catalog.eval_sets import EvalSetRecord
from retrieval.catalog.generations import Generation

Report = Callable[[int, int | None], None]  # (done, total); raises where the work is to stop


def build_generation(kb: KnowledgeBase, collection: str, options: ReindexOptions, report: Report) -> Generation:
    """A complete generation with its evidence, not serving yet. Raises `ConflictError` while another one is built.

    What cannot be built, or compared by, is said before anything is begun, see `checked_options`.
    """
    serving = kb.catalog.collections.get(collection)
    encoder = options.encoder or kb.settings.encoder
    eval_set = checked_options(kb, serving, options)
    with exclusively(kb.catalog.leases, f"reindex/{serving.id}", f"collection {collection!r} is being reindexed"):
        fingerprint = kb.open_encoder(encoder).fingerprint
        generation = kb.catalog.generations.begin(serving, encoder, fingerprint, options.settings(serving))
        mine = kb.catalog.collections.seen_by(serving.id, generation.id)
        steps = _Steps(report)
        steps.expect(kb.catalog.recutting.count(mine))
        cut_missing(kb.catalog, mine, cutting_of(generation), steps.advance, Pace(options.share))
        steps.expect(kb.catalog.embeddings.count_missing(mine))
        embedded = embed_missing(kb.catalog, mine, kb.open_encoder(encoder), steps.advance, Pace(options.share))
        evidence = compare(kb, serving, mine, eval_set, Pace(options.share), steps.advance)
        kb.catalog.generations.finish(serving, generation.id, evidence | {"embedded": embedded})
        return kb.catalog.generations.get(serving, generation.id)


def checked_options(kb: KnowledgeBase, serving: Collection, options: ReindexOptions) -> EvalSetRecord | None:
    """The set to compare by; None: none. Raises what tells that options do not fit, before anything is begun."""
    chunker_of(options.settings(serving))
    return evaluation_set(kb, serving, options.eval_set)


@dataclass(slots=True)
class _Steps:
    """Adds up what the steps of a build have done; what is expected grows from step to step."""

    report: Report
    done: int = 0
    total: int = 0

    def expect(self, more: int) -> None:
        self.total += more
        self.advance(0)

    def advance(self, count: int) -> None:
        self.done += count
        self.report(self.done, max(self.total, self.done))
