"""Health for orchestrators, metrics for Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Meters, ReadCaller, Ready
from api.errors import ApiError, forbidden
from api.routes.failures import GUARDED, failures
from api.wire.base import Response as Body

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENING_RETRY_SECONDS = 2

router = APIRouter(tags=["health"])


class Health(Body):
    """All is well, but for the legs (sparse, dense) that searches go without or find behind."""

    status: Literal["ok"] = "ok"
    degraded: tuple[str, ...] = ()


@router.head("/healthz", include_in_schema=False)  # load balancers ask so
@router.get("/healthz", response_model=Health, summary="Is the process alive?")
async def healthz() -> Health:
    """Whether the process answers."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Health, responses={503: failures()[503]}, summary="Can it serve?")
def readyz(readiness: Ready) -> Health:
    """Whether the server can serve: the catalog answers and every collection is open."""
    if not readiness.ready:
        message = "collections are being opened, or the catalog does not answer; ask again, and see the server's log"
        raise ApiError(503, "not_ready", message, retry_after=OPENING_RETRY_SECONDS)
    return Health(degraded=readiness.degraded)


@router.get("/metrics", response_class=Response, responses=GUARDED, summary="Prometheus metrics")
def metrics(meters: Meters, caller: ReadCaller) -> Response:
    """Prometheus' text format, for any key that covers all collections."""
    if caller.collections is not None:
        raise forbidden("metrics name all collections; the key is limited to some")
    return Response(meters.text(), media_type=METRICS_TYPE)
