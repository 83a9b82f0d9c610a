"""A collection that two encoders embed, each in a generation of its own, with plans that need one, either or none.

The second encoder is the first three layers of the default: other vectors of the same length, so that a query of one
compared with passages of the other fails nowhere and can only be noticed by what is found.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from api.generations.reindex import reindex
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.catalog import Collection
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.learned.adapter import QueryAdapter, write_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from tests.benchmarks.machine import SEED
from tests.benchmarks.options import Options
from tests.benchmarks.serving import COLLECTION, built

LAYERS = 3  # of the default's six
SECOND = f"{ARTIFACTS}/encoder-of-{LAYERS}-layers"  # where tuned encoders lie too
TURN = 0.3  # how far an adapter moves a query: its neighbours are others, and not all of them
DEPTH = 900  # chunks of a leg, instead of 100; at 10,000 `DenseView.search` does without its graph from 800 on
WHOLE = "promotion.json"  # written last: the folder is whole

# A search has to give the same before and after documents changed, else a mixed answer cannot be told from another. So
# nothing may leap where the statistics of words drift or the graph of vectors has grown: no feedback by likeness to the
# first two, no cut close to the hits, and a depth from which on vectors are compared exactly.
HYBRID = replace(DEFAULT_PLAN, feedback=0.0, sparse_depth=DEPTH, dense_depth=DEPTH)
WORDS = replace(HYBRID, fusion=FusionMethod.SPARSE)
MEANING = replace(HYBRID, fusion=FusionMethod.DENSE)
OF_FIRST = replace(MEANING, adapter="turned-first")  # learned for the first encoder
OF_SECOND = replace(MEANING, adapter="turned-second")
STORED = {"hybrid": HYBRID, "words": WORDS, "meaning": MEANING, "of-first": OF_FIRST, "of-second": OF_SECOND}
PLANS = {plan.digest: plan for plan in STORED.values()}


@dataclass(frozen=True, slots=True)
class World:
    """The data folder, both generations, and the number of each stored plan."""

    folder: Path
    first: int
    second: int
    plans: dict[str, int]


def world_of(options: Options) -> World:
    """The first time it is built, then kept. The first generation serves, by the hybrid plan."""
    folder = options.work / f"promotion-{options.chunks}"
    if not (folder / WHOLE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(built(options), folder)
        _write_encoder(folder / SECOND)
        (folder / WHOLE).write_text(json.dumps(_complete(folder)))
    return World(folder, **json.loads((folder / WHOLE).read_text()))


def _write_encoder(folder: Path) -> None:
    """The default's model folder with fewer layers; tensors of the others are not read."""
    shutil.copytree(locate(DEFAULT_MODEL), folder)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": LAYERS}))


def _complete(folder: Path) -> dict[str, object]:
    """The second generation beside the first, an adapter for each, the plans stored."""
    with KnowledgeBase.open(Settings(data_dir=folder)) as kb:
        first = kb.catalog.collections.get(COLLECTION)
        asked = {"encoder": SECOND, "activate": False, "apart": False}
        second = reindex(kb, COLLECTION, asked, lambda done, total: None)["id"]
        for plan, generation in ((OF_FIRST, first.generation), (OF_SECOND, second)):
            _write_adapter(folder, plan, kb.catalog.collections.seen_by(first.id, generation), kb)
        plans = {
            name: kb.catalog.plans.add(first, name, plan.to_dict(), plan.digest, "bench").id
            for name, plan in STORED.items()
        }
        kb.catalog.plans.promote(first, plans["hybrid"], "bench", "")
    return {"first": first.generation, "second": second, "plans": plans}


def _write_adapter(folder: Path, plan: Plan, generation: Collection, kb: KnowledgeBase) -> None:
    assert plan.adapter is not None
    dim = kb.open_encoder(generation.encoder).dim
    draw = np.random.default_rng(SEED)
    delta = (TURN * draw.standard_normal((dim, dim)) / dim**0.5).astype(np.float32)
    write_adapter(folder / ARTIFACTS / plan.adapter, QueryAdapter(generation.encoder_fingerprint, dim, delta=delta))
