"""The sample company in a knowledge base that was used for a while: runs, an experiment, jobs, keys; for pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import Served, in_process

from api.sources.opening import open_source
from infra.sample import company as sample
from infra.sample.company import Company, write_company
from retrieval.catalog.keys import Scope

NAME = "company"
EVAL_SET = "questions"
SOURCE = "company-db"
PATIENCE_SECONDS = 240.0  # an experiment on a machine that does much else


@dataclass(frozen=True)
class Used:
    """The company, served; `experiment` is the id of one that has ended."""

    served: Served
    company: Company
    experiment: str


@contextmanager
def used_company(folder: Path, **settings: Any) -> Iterator[Used]:
    """The company with what people did in it."""
    with in_process(folder / "kb", **settings) as served:
        company = write_company(folder / "sample")
        _ingest(served, company)
        admin = served.headers(Scope.ADMIN)
        _evaluate(served, admin)
        experiment = _tune(served, admin)
        _work(served, admin)
        yield Used(served, company, experiment)


def questions() -> tuple[str, str]:
    """The sample's questions and judgements, as the two files hold them."""
    folder = Path(sample.__file__).parent
    return (folder / "questions.jsonl").read_text("utf-8"), (folder / "qrels.tsv").read_text("utf-8")


def judged() -> list[dict[str, Any]]:
    """The same as the API takes them."""
    texts, lines = questions()
    judgements: dict[str, dict[str, int]] = {}
    for line in lines.splitlines()[1:]:
        question, document, grade = line.split("\t")
        judgements.setdefault(question, {})[document] = int(grade)
    found = [json.loads(line) for line in texts.splitlines()]
    known = [one for one in found if one["id"] in judgements]  # some cannot be answered, so nothing is right for them
    return [{"id": one["id"], "text": one["text"], "judgements": judgements[one["id"]]} for one in known]


def _ingest(served: Served, company: Company) -> None:
    kb = served.kb
    kb.ensure_collection(NAME)
    rows = open_source(kb, NAME, f"sqlite:///{company.database}", SOURCE, "sql", company.mapping)
    kb.ingest(NAME, rows.source, rows=rows.rows)
    for group in company.groups:
        opened = open_source(kb, NAME, str(company.documents / group), f"documents-{group}", acl=[group])
        kb.ingest(NAME, opened.source, rows=opened.rows)


def _evaluate(served: Served, admin: dict[str, str]) -> None:
    body = {"collection": NAME, "name": EVAL_SET, "queries": judged()}
    _post(served, "/v1/eval-sets", body, admin)
    for plan in ("default", {"fusion": "sparse"}, "default", {"fusion": "dense"}):
        _post(served, f"/v1/eval-sets/{EVAL_SET}/runs", {"collection": NAME, "plan": plan}, admin)


def _tune(served: Served, admin: dict[str, str]) -> str:
    body = {"collection": NAME, "budget": "20s", "max_epochs": 6, "eval_set": EVAL_SET, "promote": False}
    started = _post(served, "/v1/experiments", body, admin)
    served.ended(f"/v1/jobs/{started['job']}", admin, PATIENCE_SECONDS)
    return str(started["id"])


def _work(served: Served, admin: dict[str, str]) -> None:
    verification = _post(served, "/v1/jobs", {"kind": "verify", "collection": NAME}, admin)["id"]
    served.ended(f"/v1/jobs/{verification}", admin)
    schedule = {"name": "evaluate-nightly", "kind": "evaluate", "collection": NAME, "every_seconds": 86_400}
    _post(served, "/v1/schedules", schedule | {"arguments": {"eval_set": EVAL_SET}}, admin)
    for name, scope, groups in (("intranet-search", "read", ["hr", "support"]), ("etl", "write", [])):
        _post(served, "/v1/keys", {"name": name, "scope": scope, "groups": groups, "collections": [NAME]}, admin)
    for query, rating in (("How long is the warranty?", 1), ("Who is the supplier of bearings?", -1)):
        found = _post(served, "/v1/search", {"collection": NAME, "query": query, "top_k": 1}, admin)["hits"]
        body = {"collection": NAME, "query": query, "rating": rating, "document_key": found[0]["key"]}
        _post(served, "/v1/feedback", body, admin)


def _post(served: Served, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = served.client.post(path, json=body, headers=headers)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
