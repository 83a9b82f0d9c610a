"""What each plan gives over each generation, asked one search after the other when the load has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import CollectionRuntime
from infra.settings import Settings
from retrieval.errors import InvalidInputError
from retrieval.learned.adapter import load_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.plan_parts import require_parts
from retrieval.search.types import SearchRequest
from retrieval.types import EVERYONE, Principal, Vectors
from tests.benchmarks.promotion_changes import READERS, Change
from tests.benchmarks.promotion_judge import Hits
from tests.benchmarks.promotion_world import PLANS, World
from tests.benchmarks.serving import COLLECTION

READER = Principal("reader", frozenset({EVERYONE, READERS}))  # as the load searches


class Truth:
    """The generations of a folder that no server has open."""

    def __init__(self, kb: KnowledgeBase, runtimes: dict[int, CollectionRuntime]) -> None:
        self._kb = kb
        self._runtimes = runtimes
        self._known: dict[tuple[str, str, int], Hits | None] = {}

    def expected(self, query: str, digest: str, generations: Iterable[int] = ()) -> dict[int, Hits]:
        """Generation -> what that plan finds, of these (none: all) where it can serve."""
        wanted = set(generations) or set(self._runtimes)
        found = {one: self._found(query, digest, one) for one in wanted}
        return {one: hits for one, hits in found.items() if hits is not None}

    def _found(self, query: str, digest: str, generation: int) -> Hits | None:
        asked = query, digest, generation
        if asked not in self._known:
            self._known[asked] = self._searched(*asked) if self._can_serve(digest, generation) else None
        return self._known[asked]

    def _searched(self, query: str, digest: str, generation: int) -> Hits:
        request = SearchRequest(query, group_by="chunk", highlight=False)
        result = self._runtimes[generation].search(PLANS[digest], request, READER)
        return [(passage(hit.chunk.key, hit.chunk.text), hit.score) for hit in result.hits]

    def _can_serve(self, digest: str, generation: int) -> bool:
        try:
            require_parts(PLANS[digest], self._kb.settings.data_dir, self._runtimes[generation].encoder.fingerprint)
        except InvalidInputError:
            return False
        return True

    def cosines(self, change: Change) -> dict[int, float]:
        """Generation -> cosine of query and text where the plan that the answer names can serve.

        By the encoder itself: neither index nor stored vectors take part.
        """
        digest = change.answer["plan"]
        plan, found = PLANS[digest], {}
        for generation in (one for one in self._runtimes if self._can_serve(digest, one)):
            encoder = self._runtimes[generation].encoder
            queries: Vectors = encoder.encode_queries([change.query])
            if plan.adapter is not None:
                folder = self._kb.settings.data_dir / ARTIFACTS / plan.adapter
                queries = load_adapter(folder, encoder.fingerprint, encoder.dim).apply(queries)
            found[generation] = float(queries[0] @ encoder.encode_passages([change.text])[0])
        return found


def passage(key: str, text: str) -> str:
    """How the judge knows a hit: another text of the same document is another passage."""
    return f"{key}\n{text}"


@contextmanager
def truth_of(world: World) -> Iterator[Truth]:
    """Both generations opened beside each other."""
    with KnowledgeBase.open(Settings(data_dir=world.folder)) as kb, ExitStack() as stack:
        number, runtimes = kb.catalog.collections.get(COLLECTION).id, {}
        for generation in (world.first, world.second):
            runtime = kb.open_runtime(kb.catalog.collections.seen_by(number, generation))
            stack.callback(runtime.stop, save=False)
            runtime.follower.catch_up()
            runtimes[generation] = runtime
        yield Truth(kb, runtimes)
