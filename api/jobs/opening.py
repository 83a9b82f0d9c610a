"""Who runs the jobs: this process, or Celery's workers."""

from __future__ import annotations

from api.jobs.celery_app import broker_url, make_app
from api.jobs.contract import JobRunner
from api.jobs.distributed import CeleryJobs
from api.jobs.embedded import EmbeddedJobs
from api.jobs.observer import Observer
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings


def uses_celery(settings: Settings) -> bool:
    """Whether jobs go to Celery's workers."""
    return settings.jobs == "celery" or (settings.jobs == "auto" and bool(broker_url(settings)))


def open_jobs(kb: KnowledgeBase, settings: Settings, observer: Observer) -> JobRunner:
    """The runner that the settings name. Raises `SettingsError` for Celery without a broker or not installed."""
    if uses_celery(settings):
        return CeleryJobs(kb, make_app(settings), observer)
    return EmbeddedJobs(kb, observer)
