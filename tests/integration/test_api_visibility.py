"""What routes show of a document that only one group may read: to a member everything, to anybody else nothing.

Each route is of one kind: it shows documents by their rights (`SHOWING`), shows what people wrote about documents to
whoever may write (`FOR_WRITERS`), holds nothing of documents (`WITHOUT_CONTENT`), or is for admins, who see all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from api_world import SECRET_WORD, World, check_native_error, world
from httpx import Response
from route_walk import example, filled, operations

from api.jobs.tasks import with_caller
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from retrieval.catalog.schedules import NewSchedule
from retrieval.types import Deletion, Document, Principal
from search_core.request import Request

SECRET = "four7eleven"  # stands in what the group "staff" may read, and in no request
NAME = "nightly"  # of an evaluation set, and of a schedule
QUESTION = f"What does the {SECRET_WORD} earn?"
TEXT = f"The {SECRET_WORD} earns {SECRET} a month."


@dataclass(frozen=True)
class Asked:
    """One request, and what of its answer only somebody who may read the document gets."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    shows: str = SECRET
    scope: Scope = Scope.READ


def tool(name: str, arguments: dict[str, Any]) -> Asked:
    params = {"name": name, "arguments": {"collection": "docs", **arguments}}
    return Asked({"json": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}})


def posted(body: dict[str, Any], shows: str = SECRET, scope: Scope = Scope.READ) -> Asked:
    return Asked({"json": body}, shows, scope)


def asked(shows: str = SECRET, scope: Scope = Scope.READ, **params: Any) -> Asked:
    return Asked({"params": params}, shows, scope)


CHAT = {"model": "docs", "messages": [{"role": "user", "content": QUESTION}]}
IN_DOCS, WRITE = {"collection": "docs"}, Scope.WRITE
DOCUMENTS = "/v1/collections/{collection}/documents"
SHOWING: dict[tuple[str, str], list[Asked]] = {
    ("POST", "/v1/search"): [posted({"query": SECRET_WORD, **IN_DOCS, "explain": True})],
    ("POST", "/v1/search/why"): [posted({"query": SECRET_WORD, **IN_DOCS, "key": "secret"}, '"verdict":')],
    ("POST", "/v1/answers"): [posted({"question": QUESTION, **IN_DOCS, "stream": on}) for on in (False, True)],
    ("POST", "/v1/chat/completions"): [posted({**CHAT, "stream": on}) for on in (False, True)],
    ("POST", "/v1/retrieval"): [posted({"knowledge_id": "docs", "query": SECRET_WORD, "retrieval_setting": {}})],
    ("POST", "/mcp"): [
        tool("search", {"query": SECRET_WORD}),
        tool("fetch", {"key": "secret"}),
        tool("ask", {"question": QUESTION}),
    ],
    ("GET", DOCUMENTS): [asked(), asked(query="salary"), asked(filter='{"grade": {"$contains": "7eleven"}}')],
    ("GET", DOCUMENTS + "/{key}"): [asked(), asked(chunks=True)],
    ("GET", DOCUMENTS + ":facets"): [asked('"payroll"')],
    ("GET", DOCUMENTS + ":versions"): [asked(scope=WRITE, key="secret")],
    ("GET", DOCUMENTS + ":version"): [asked(scope=WRITE, key="secret", version=2)],
    ("GET", DOCUMENTS + ":deleted"): [asked(scope=WRITE)],
    ("POST", DOCUMENTS + ":restore"): [posted({"key": "back", "version": 1}, '"outcome":"created"', WRITE)],
    ("POST", "/v1/feedback"): [posted({**IN_DOCS, "query": "pay", "document_key": "secret", "rating": 1}, '"id":')],
    ("POST", "/v1/eval-sets/{name}/cases"): [
        posted({**IN_DOCS, "text": "pay", "judgements": {"secret": 1}}, '"judgements":{"secret":1}', WRITE)
    ],
    ("POST", "/v1/eval-sets/{name}/runs"): [posted(IN_DOCS, '"recall@10":1.0', WRITE)],
    ("GET", "/v1/jobs"): [asked()],
    ("GET", "/v1/jobs/{job}"): [asked()],
    ("GET", "/v1/jobs/{job}/events"): [asked()],
    ("GET", "/v1/events"): [asked(seconds=1)],
}
# Questions with judgements and answers, and feedback: of whichever documents, to whoever may write.
FOR_WRITERS: dict[tuple[str, str], Asked] = {
    ("GET", "/v1/feedback"): asked(**IN_DOCS),
    ("GET", "/v1/eval-sets/{name}"): asked(**IN_DOCS),
    ("GET", "/v1/eval-sets/{name}/runs/{run}/questions"): asked(**IN_DOCS),
}
# Settings, counts, measurements; and of what was sent with a request, what became of it.
WITHOUT_CONTENT = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/console/login-ways"),
    ("POST", "/console/session"),
    ("GET", "/console/session"),
    ("DELETE", "/console/session"),
    ("GET", "/v1/overview"),
    ("GET", "/v1/modules"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/collections"),
    ("GET", "/v1/collections/{collection}"),
    ("GET", "/v1/collections/{collection}/generations"),
    ("GET", "/v1/collections/{collection}/generations/{generation}"),
    ("PUT", DOCUMENTS + "/{key}"),
    ("DELETE", DOCUMENTS + "/{key}"),
    ("POST", DOCUMENTS + ":bulk"),
    ("POST", DOCUMENTS + ":upload"),
    ("GET", "/v1/sources"),
    ("GET", "/v1/eval-sets"),
    ("POST", "/v1/eval-sets"),
    ("POST", "/v1/eval-sets:from-feedback"),
    ("DELETE", "/v1/eval-sets/{name}"),
    ("GET", "/v1/eval-sets/{name}/runs"),
    ("GET", "/v1/eval-sets/{name}/runs/{run}"),
    ("DELETE", "/v1/eval-sets/{name}/runs/{run}"),
    ("GET", "/v1/eval-sets/{name}/runs/{run}/comparison"),
    ("GET", "/v1/plans"),
    ("POST", "/v1/plans"),
    ("GET", "/v1/plans/{plan}"),
    ("GET", "/v1/plans/{plan}/diff"),
    ("GET", "/v1/plans/rollout"),
    ("GET", "/v1/plans/rollouts"),
    ("GET", "/v1/experiments"),
    ("GET", "/v1/experiments/{experiment}"),
    ("GET", "/v1/experiments/{experiment}/trials"),
    ("GET", "/v1/experiments/{experiment}/comparison"),
    ("POST", "/v1/jobs"),
    ("POST", "/v1/jobs/{job}/cancel"),
    ("POST", "/v1/jobs/{job}/retry"),
    ("GET", "/v1/schedules"),
    ("GET", "/v1/schedules/{name}"),
}


@dataclass(frozen=True)
class Filled:
    """A world with something behind every route, and the names by which routes find it."""

    served: World
    names: Mapping[str, str]

    def ask(self, method: str, path: str, key: str, arguments: Mapping[str, Any]) -> Response:
        for name, value in self.names.items():
            path = path.replace(f"{{{name}}}", value)
        arguments = {**arguments, "params": {**arguments.get("params", {})}}
        if "/collections/" not in path and method == "GET":
            arguments["params"] = {**IN_DOCS, **arguments["params"]}
        return self.served.call(method, filled(path), key, **arguments)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with world(tmp_path_factory.mktemp("kb")) as served:
        for scope in (Scope.READ, Scope.WRITE):
            for name, groups in (("member", ["staff"]), ("outsider", ["sales"])):
                served.keys[f"{name} {scope}"] = served.kb.catalog.keys.create(name, scope, groups=groups)[1]
        yield Filled(served, _fill(served))


def _fill(served: World) -> dict[str, str]:
    kb, docs = served.kb, served.kb.catalog.collections.get("docs")
    member = served.keys["member read"].split("_")[1]
    rights: dict[str, Any] = {"source": "payroll", "acl": ("staff",), "metadata": {"grade": SECRET}}
    for text in (TEXT, f"{TEXT} So it is."):
        kb.write("docs", [Document("secret", text, f"Salary {SECRET}", **rights)])
    kb.write("docs", [Document(key, TEXT, f"Salary {SECRET}", **rights) for key in ("gone", "back")])
    kb.write("docs", [Deletion("gone"), Deletion("back")], wait=True)
    kb.catalog.feedback.add(docs, "somebody", QUESTION, "secret", 1, SECRET)
    judged = [EvalQuery("q1", QUESTION, {"secret": 1}, (SECRET,)), EvalQuery("q2", f"{SECRET}?", {"secret": 1})]
    kb.catalog.eval_sets.create(docs, NAME, judged)
    run = served.call("POST", f"/v1/eval-sets/{NAME}/runs", json=IN_DOCS).json()["id"]
    plan = {**IN_DOCS, "name": "words", "plan": {"dense_weight": 0.3}}
    number = served.call("POST", "/v1/plans", json=plan).json()["id"]
    served.call("POST", f"/v1/plans/{number}/rollout", json={**IN_DOCS, "stage": "shadow"})
    served.call("POST", "/v1/plans/rollout:stop", json=IN_DOCS)
    questions = Request(queries={"q1": QUESTION}, qrels={"q1": {"secret": 1}}, answers={"q1": [SECRET]}, **IN_DOCS)
    experiment = kb.catalog.experiments.create(docs, questions.to_dict()).id
    job = kb.catalog.jobs.create("unknown", "docs", with_caller({}, Principal(f"key:{member}")))
    claimed = kb.catalog.jobs.claim("test", ["unknown"])
    assert claimed is not None and kb.catalog.jobs.succeed(claimed, {"found": SECRET})
    kb.catalog.schedules.create(NewSchedule(NAME, "verify", "docs", {}, 86_400))
    return {
        "name": NAME,
        "run": str(run),
        "plan": str(number),
        "experiment": experiment,
        "job": job.id,
        "generation": str(docs.generation),
    }


def is_for_admins(known: Filled, method: str, path: str, operation: dict[str, Any]) -> bool:
    answer = known.ask(method, path, "writer", example(known.served, operation))
    return answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"


def test_every_route_is_of_one_kind(known: Filled) -> None:
    """A new route that a writer may call must be put into one of the lists above."""
    kinds = [set(SHOWING), set(FOR_WRITERS), WITHOUT_CONTENT]
    listed = set().union(*kinds)
    assert len(listed) == sum(map(len, kinds)), "a route is in two of the lists"
    others = {(method, path): one for method, path, one in operations(known.served) if (method, path) not in listed}
    unknown = [route for route, operation in others.items() if not is_for_admins(known, *route, operation)]
    assert unknown == [], "say whether these show documents"
    assert listed <= {(method, path) for method, path, _ in operations(known.served)}


@pytest.mark.parametrize(
    ("route", "request_"),
    [pytest.param(route, one, id=" ".join(route)) for route, requests in SHOWING.items() for one in requests],
)
def test_members_see_it_and_outsiders_do_not(known: Filled, route: tuple[str, str], request_: Asked) -> None:
    outside = known.ask(*route, f"outsider {request_.scope}", request_.arguments)
    assert request_.shows not in outside.text and SECRET not in outside.text
    inside = known.ask(*route, f"member {request_.scope}", request_.arguments)
    assert inside.is_success and request_.shows in inside.text, inside.text


def test_what_people_wrote_about_documents_is_for_writers(known: Filled) -> None:
    for route, request in FOR_WRITERS.items():
        check_native_error(known.ask(*route, "member read", request.arguments), 403, "forbidden")
        shown = known.ask(*route, "outsider write", request.arguments)
        assert shown.is_success and SECRET in shown.text, (route, shown.text)


def test_the_other_routes_hold_nothing_of_it(known: Filled) -> None:
    """Asked as a member: what has no content has none for anybody."""
    with_cookie = {("GET", "/console/session")}  # only a browser that is logged in gets more than a refusal
    for method, path in sorted(WITHOUT_CONTENT - with_cookie):
        if method != "GET":
            continue
        against = next((known.names[one] for one in ("experiment", "run", "plan") if f"{{{one}}}" in path), "")
        answer = known.ask(method, path, "member write", {"params": {"against": against}})
        assert answer.is_success, (method, path, answer.text)
        assert SECRET not in answer.text, (method, path, answer.text)
