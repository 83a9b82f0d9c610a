"""A collection whose documents all say how long a warranty lasts, with the questions that ask it and what is right."""

from __future__ import annotations

from served import Served

from retrieval.catalog.keys import Scope

PRODUCTS = (
    "falcon heron osprey kestrel merlin condor eagle hawk harrier buzzard kite owl swift crane stork egret".split()
)
WARRANTY = "Each {0} is sold with a warranty of 24 months after the delivery of the {0} to its owner."
QUERIES = {f"q{at}": f"How long is the warranty of the {name}?" for at, name in enumerate(PRODUCTS)}
QUERIES |= {f"w{at}": f"What warranty does the {name} have?" for at, name in enumerate(PRODUCTS)}
ANSWERS: dict[str, list[str]] = {key: ["24 months"] for key in QUERIES}


def fill(api: Served) -> None:
    """The collection `birds`."""
    admin = api.headers(Scope.ADMIN)
    api.client.post("/v1/collections", json={"name": "birds"}, headers=admin).raise_for_status()
    for name in PRODUCTS:
        path = f"/v1/collections/birds/documents/{name}?wait_for=searchable"
        body = {"title": name.title(), "text": WARRANTY.format(name)}
        api.client.put(path, json=body, headers=admin).raise_for_status()
