"""Reindexing, top to bottom: begin a generation, cut, embed, build its views, compare, activate.

From the moment a generation is begun every commit carries its chunks and embeddings too, so the serving one and the
new one are both up to date at any time. Searches are answered by the serving one until the pointer moves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from api.generations.build import Report, build_generation, checked_options
from api.generations.build_apart import build_apart
from api.generations.comparison import WITHOUT_ADAPTER
from api.generations.options import ReindexOptions
from api.knowledge_base import KnowledgeBase
from api.plans.fitting_plan import leave_foreign_parts_out
from api.serving.collection_runtime import drop_generation_views, encoder_of
from api.serving.exclusive import exclusively
from api.serving.view_opening import drop_shared_views
from ingest.regeneration import embed_missing
from retrieval.catalog import Collection
from retrieval.catalog.generations import Generation, GenerationState
from retrieval.contracts import Encoder
from retrieval.encoder.model_folder import check_folder
from retrieval.errors import ConflictError

logger = logging.getLogger(__name__)

TIMES = ("created_at", "ready_at", "activated_at", "retired_at")
NOTE = "note"  # of a result: why nothing was built


def reindex(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Build a generation beside the serving one, compare both, and let it take over unless it is worse.

    Ended in the midst, it goes on where it was when called with the same arguments; nothing is left to do where such a
    generation took over since `asked_at`, if that is among them, whatever serves now: the result's `note` says so.
    Raises `ConflictError` while another generation of the collection is being built, or when the new one does not pass.
    """
    asked = dict(arguments)
    asked_at: datetime | None = asked.pop("asked_at", None)
    options = ReindexOptions.of(asked)
    known = None if asked_at is None else _taken_over(kb, collection, options, asked_at)
    if known is not None:
        return _result(kb, collection, known.id) | {NOTE: _what_became(kb, collection, known)}
    built = _build(kb, collection, options, report)
    if options.activate:
        activate_generation(kb, collection, built, force=options.force)
    return _result(kb, collection, built)


def check_reindex(kb: KnowledgeBase, collection: str, arguments: dict[str, Any]) -> None:
    """Raise at once what `reindex` would fail with at its beginning.

    A name that is no path may be a model's id, which only fetching it can tell.
    """
    options = ReindexOptions.of(arguments)
    checked_options(kb, kb.catalog.collections.get(collection), options)
    check_folder(options.encoder, kb.settings.data_dir)


def serving_as_asked(kb: KnowledgeBase, collection: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The result where what serves is made by just these arguments, with its `note`; None where it is not.

    So a command that fell right after the switch does not build the same once more when it is given again.
    """
    options, record = ReindexOptions.of(arguments), kb.catalog.collections.get(collection)
    one = kb.catalog.generations.get(record, record.generation)
    fingerprint = kb.open_encoder(options.encoder or kb.settings.encoder).fingerprint
    if not _is_made_by(kb, one, options, record) or one.fingerprint != fingerprint:
        return None
    return _result(kb, collection, one.id) | {NOTE: f"generation {one.id} is made by just that: nothing was built"}


def activate_generation(
    kb: KnowledgeBase,
    collection: str,
    generation: int,
    *,
    force: bool = False,
    wanted: Callable[[], None] = lambda: None,
) -> Generation:
    """Let that generation serve, here when this returns, in other processes as soon as they have it open.

    Raises `NotFoundError`, `EncoderError` where its encoder does not open, or `ConflictError` where that changed, the
    generation is unfinished, or, without `force`, is worse. `wanted` is called when all is ready, and what it raises
    ends this too. What served goes on to serve then. A plan with learned
    parts of another encoder gives way to the same plan without them, and `evidence` says so.
    """
    record = kb.catalog.collections.get(collection)
    one = kb.catalog.generations.get(record, generation)
    if one.state is GenerationState.READY and (refusal := _refusal(one, force=force)):
        raise ConflictError(refusal)
    mine = kb.catalog.collections.seen_by(record.id, generation)
    if one.state not in (GenerationState.BUILDING, GenerationState.RETIRED):  # which `activate` refuses
        _complete(kb, mine, encoder_of(mine, kb.open_encoder))
        kb.runtimes.open_beside(mine)
        wanted()
        _note_adapter(kb, record, one, leave_foreign_parts_out(kb, record, mine))
    kb.catalog.generations.activate(record, generation)
    kb.runtimes.refresh(collection)
    return kb.catalog.generations.get(record, generation)


def roll_back_generation(kb: KnowledgeBase, collection: str) -> Generation:
    """Return to the generation that served before. Raises `ConflictError` where none is kept."""
    record = kb.catalog.collections.get(collection)
    former = kb.catalog.generations.former(record)
    return activate_generation(kb, collection, former.id)


def retire_generation(kb: KnowledgeBase, collection: str, generation: int) -> Generation:
    """Drop a generation that does not serve: changes no longer reach it, its chunks and views go.

    Embeddings that no chunk needs go with the next compaction. Raises `NotFoundError`, `ConflictError` for the serving.
    """
    record = kb.catalog.collections.get(collection)
    with exclusively(kb.catalog.leases, f"reindex/{record.id}", f"collection {collection!r} is being reindexed"):
        kb.catalog.generations.retire(record, generation)
        while kb.catalog.recutting.drop_retired(record):
            pass
    kb.runtimes.discard(collection, generation)
    drop_generation_views(kb.settings.data_dir, record, generation)
    drop_shared_views(kb.settings, record, generation)
    return kb.catalog.generations.get(record, generation)


def generation_json(generation: Generation) -> dict[str, Any]:
    """A generation as every face shows it."""
    return {
        "id": generation.id,
        "state": generation.state.value,
        "encoder": generation.encoder,
        "fingerprint": generation.fingerprint,
        "chunking": generation.chunking,
        **generation.settings,
        "evidence": generation.evidence,
        "created_at": generation.created_at,
        "ready_at": generation.ready_at,
        "activated_at": generation.activated_at,
        "retired_at": generation.retired_at,
    }


def _build(kb: KnowledgeBase, collection: str, options: ReindexOptions, report: Report) -> int:
    if options.apart:
        return build_apart(kb.settings, collection, options, report)
    return build_generation(kb, collection, options, report).id


def _taken_over(kb: KnowledgeBase, collection: str, options: ReindexOptions, since: datetime) -> Generation | None:
    """The generation that these options ask for, where it took over since, whatever serves now; None where none did."""
    record = kb.catalog.collections.get(collection)
    for one in reversed(kb.catalog.generations.all(record)):
        took_over = one.activated_at is not None and one.activated_at >= since
        if took_over and _is_made_by(kb, one, options, record):
            return one
    return None


def _is_made_by(kb: KnowledgeBase, one: Generation, options: ReindexOptions, serving: Collection) -> bool:
    return (one.encoder, one.settings) == (options.encoder or kb.settings.encoder, options.settings(serving))


def _what_became(kb: KnowledgeBase, collection: str, one: Generation) -> str:
    """Why a job that is taken up again builds nothing, and what serves, which is not for it to change."""
    note = f"generation {one.id} took over before this attempt began, so nothing was built"
    now = kb.catalog.collections.get(collection).generation
    if now != one.id:
        note += f"; generation {now} serves since, and nothing was switched"
        if one.state is GenerationState.STANDBY:
            note += f": `kb generations activate {one.id} -c {collection}` lets {one.id} serve again"
    logger.info("%s: %s", collection, note)
    return note


def _result(kb: KnowledgeBase, collection: str, generation: int) -> dict[str, Any]:
    """The generation as JSON, as a job's result has to be."""
    shown = generation_json(kb.catalog.generations.get(kb.catalog.collections.get(collection), generation))
    times = {name: None if shown[name] is None else shown[name].isoformat() for name in TIMES}
    return shown | times | {"collection": collection}


def _refusal(generation: Generation, *, force: bool) -> str:
    """Why it may not take over; "" where it may."""
    evidence = generation.evidence or {}
    name = f"generation {generation.id}"
    if not evidence["parity"]["in_step"]:
        lacking = _lacking(evidence["parity"])
        return f"{name} does not hold what the catalog has: {lacking}; reindex again, or `kb verify`"
    if evidence.get("worse") and not force:
        return (
            f"{name} is significantly worse on set {evidence['eval_set']!r} in {' and '.join(evidence['worse'])}; "
            "it is kept without serving: activate it with force, or retire it"
        )
    return ""


def _lacking(parity: dict[str, Any]) -> str:
    """What of the catalog it has not, or has otherwise."""
    counted = {"documents_lost": "documents without passages", "unembedded": "passages without embedding"}
    counted["damaged"] = "documents altered past the writer"
    found = [f"{parity[name]} {what}" for name, what in counted.items() if parity.get(name)]
    for view, gaps in parity.get("views", {}).items():
        if any(gaps.values()):
            found.append(f"{view} view: {', '.join(f'{count} {kind}' for kind, count in gaps.items() if count)}")
    return "; ".join(found) or "it was out of step"


def _note_adapter(kb: KnowledgeBase, collection: Collection, one: Generation, adapter: str | None) -> None:
    """Keep with the generation which learned parts it took over without."""
    known = one.evidence or {}
    told = {name: value for name, value in known.items() if name != WITHOUT_ADAPTER}
    if adapter is not None:
        logger.warning("generation %d serves without %s, of another encoder", one.id, adapter)
        told[WITHOUT_ADAPTER] = adapter
    if told != known:
        kb.catalog.generations.finish(collection, one.id, told)


def _complete(kb: KnowledgeBase, mine: Collection, encoder: Encoder) -> None:
    """Embed what a process without the generation's encoder left out; mostly nothing."""
    if kb.catalog.embeddings.count_missing(mine):
        embed_missing(kb.catalog, mine, encoder)
