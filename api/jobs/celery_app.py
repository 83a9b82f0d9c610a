"""The Celery application: one task that runs a job of the catalog, and one that looks at the clock.

    kb celery worker        or: celery -A api.jobs.celery_app worker
    kb celery beat          or: celery -A api.jobs.celery_app beat

A message is only a hint that a job is queued; what it is, whether it still is to be run, and how it ended are in the
catalog. So a message may be lost, doubled or late, and the broker may forget everything, without harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.jobs.observer import Observer
from infra.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from celery import Celery

RUN_JOB, TICK = "kb.run_job", "kb.tick"
QUEUE = "kb"
CONCURRENCY = 2  # jobs at once in one worker
TICK_SECONDS = 10.0
CONNECT_SECONDS = 2.0  # to reach the broker; what could not be sent is sent later
VISIBILITY_SECONDS = 3600  # Redis delivers again what was not acknowledged; a job that runs longer is not begun again


def broker_url(settings: Settings) -> str:
    """The broker's URL; "" where there is none."""
    return settings.broker_url or settings.redis_url


def make_app(settings: Settings, observer: Observer | None = None) -> Celery:
    """The application, whose worker tells the observer of its work. Raises `SettingsError` without broker or Celery."""
    if not broker_url(settings):
        raise SettingsError(
            "settings broker_url (KB_BROKER_URL) and redis_url (KB_REDIS_URL) are empty: Celery needs a broker; "
            "name one, or leave jobs to `kb serve` with KB_JOBS=embedded"
        )
    try:
        from celery import Celery
    except ImportError as error:
        raise SettingsError(
            "jobs over a broker need Celery, which is not installed: pip install 'autoglm-kb[cluster]'"
        ) from error
    app = Celery("autoglm-kb", broker=broker_url(settings), set_as_current=False)
    app.conf.update(_configuration(settings))
    _add_tasks(app, settings, observer)
    return app


def tell_of_ticks(ticked: Callable[[], None]) -> None:
    """From now on, call that in this process whenever a broker took the word that it is time to look at schedules."""
    from celery import signals

    signals.after_task_publish.connect(lambda **_: ticked(), sender=TICK, weak=False)


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "task_default_queue": QUEUE,
        "task_ignore_result": True,  # results are in the catalog
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # the catalog knows that they still run
        "worker_pool": "threads",  # one knowledge base, one encoder, and a stop that running jobs hear of
        "worker_concurrency": CONCURRENCY,
        "broker_connection_timeout": CONNECT_SECONDS,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker as long as it takes
        "broker_transport_options": _transport_options(broker_url(settings)),
        "beat_schedule": {
            "tick": {"task": TICK, "schedule": TICK_SECONDS, "options": {"expires": TICK_SECONDS}},
        },
        "beat_scheduler": "celery.beat:Scheduler",  # it need remember nothing: what is due is in the catalog
        "timezone": "UTC",
    }


def _transport_options(url: str) -> dict[str, Any]:
    if not url.startswith(("redis", "sentinel")):
        return {}
    return {
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "global_keyprefix": f"{QUEUE}:",
    }


def _add_tasks(app: Celery, settings: Settings, observer: Observer | None) -> None:
    from api.jobs.celery_worker import CeleryWorker

    worker = CeleryWorker(app, settings, observer)  # not shared: another application has a worker of its own

    @app.task(name=RUN_JOB, shared=False)  # type: ignore[untyped-decorator]  # Celery ships no types
    def run_job(job_id: str) -> None:
        worker.run_job(job_id)

    @app.task(name=TICK, shared=False)  # type: ignore[untyped-decorator]
    def tick() -> None:
        worker.tick()

    worker.listen()


_APPS: dict[str, Any] = {}  # made at the first look, so that importing this file reads no settings


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _APPS:
        _APPS["app"] = make_app(load_settings())
    return _APPS["app"]
