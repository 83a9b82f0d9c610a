"""Every setting, declared once: from KB_… variables and the YAML file that KB_CONFIG names; variables win."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "KB_"
MISTYPED = 0.85  # likeness of a name to that of a setting, from which it is taken for it: a letter or two


class SettingsError(ValueError):
    """A setting does not fit; the message names it, what was expected, and the value where no secret can be in it."""


class Settings(BaseSettings):
    """The settings table. `infra/env.example` and docs/settings.md are generated from it."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    data_dir: Path = Field(Path(".kb"), description="Data folder: catalog, views, models, uploads.")
    catalog_url: str = Field("", description="SQLAlchemy URL of the catalog; empty: SQLite in the data folder.")
    kept_versions: int = Field(
        5, ge=0, le=1000, description="Former versions kept of each document, for the console; 0: none."
    )
    encoder: str = Field(
        "all-MiniLM-L6-v2", description="Encoder: a registered name, or a sentence-transformers model id or folder."
    )
    encoder_precision: Literal["auto", "int8", "fp32"] = Field(
        "auto", description="Arithmetic of the encoder; auto takes int8 where the CPU gains by it."
    )
    encoder_threads: int = Field(0, ge=0, description="Threads of the encoder; 0: one per core.")

    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback a key must exist.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, with commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto count.",
    )
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Largest request body, bytes.")
    rate_limit_per_minute: int = Field(0, ge=0, description="Requests per key and minute; 0: unlimited.")
    request_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait inside a request, seconds.")

    oidc_issuer: str = Field("", description="Issuer of JSON Web Tokens to accept; empty: keys only.")
    oidc_audience: str = Field("", description="Audience a token must carry; required with an issuer.")
    oidc_jwks_url: str = Field("", description="Where the issuer's signing keys are; empty: by discovery.")
    oidc_groups_claim: str = Field("groups", description="Claim of a token that lists the caller's groups.")
    oidc_client_id: str = Field("", description="Our client id at the issuer; empty: the console takes keys only.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="Our secret at the issuer; empty: a public client."
    )

    generator: Literal["extractive", "reader", "openai"] = Field(
        "extractive",
        description="Who answers where a collection's plan does not say: sentences of the passages, the span reader "
        "that KB_READER names, or an OpenAI-compatible endpoint.",
    )
    reader: str = Field("", description="A span reader of the data folder, by its name (`kb readers list`).")
    reader_questions: str = Field(
        "",
        description="SQuAD files of questions with answers, with commas: for training readers, and for choosing an "
        "answer model where a collection has none of its own.",
    )
    reader_threads: int = Field(0, ge=0, description="Threads of a span reader; 0: one per core.")
    llm_base_url: str = Field("", description="Base URL of an OpenAI-compatible endpoint (Ollama, vLLM, hosted).")
    llm_api_key: SecretStr = Field(SecretStr(""), description="Key for that endpoint.")
    llm_model: str = Field("", description="Model name at that endpoint.")
    llm_prompt_price: float = Field(0.0, ge=0, description="Price of a million tokens sent to it, in any currency.")
    llm_completion_price: float = Field(0.0, ge=0, description="Price of a million tokens that it writes.")
    llm_most_cost: float = Field(
        0.0, ge=0, description="What 1,000 questions may cost, for `kb tune --task answer`; 0: anything."
    )
    llm_timeout_seconds: float = Field(30.0, gt=0, description="Time-out of one answer from the endpoint, seconds.")

    cache_dir: str = Field(
        "", description="Where `kb stack` keeps fetched servers; empty: autoglm-kb in the user's cache folder."
    )
    kafka_bootstrap_servers: str = Field("", description="Kafka brokers, host:port with commas; empty: embedded.")
    worker_group: str = Field("kb-workers", description="Consumer group in which workers share their topics.")
    connect_url: str = Field("", description="REST address of Kafka Connect with Debezium; empty: no live sources.")
    connect_secrets_dir: str = Field(
        "", description="Folder of password files that Kafka Connect's file provider may read; empty: none is shared."
    )
    topic_partitions: int = Field(
        4, ge=1, le=1000, description="Partitions of a new live table's topic: as many workers can share it."
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key that encrypts databases' passwords in the catalog, 32 characters or more, the same in every "
        "process; several with commas: the first encrypts. Empty: a file in the data folder.",
    )
    elasticsearch_url: str = Field(
        "",
        description="URL of Elasticsearch, several nodes with commas, user and password inside; empty: embedded views.",
    )
    elasticsearch_api_key: SecretStr = Field(SecretStr(""), description="API key for Elasticsearch, instead of a user.")
    elasticsearch_ca_file: str = Field("", description="File of the certificate authority that Elasticsearch's is of.")
    elasticsearch_prefix: str = Field(
        "kb", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="What names of indexes begin with: one for each catalog."
    )
    elasticsearch_replicas: int = Field(0, ge=0, le=10, description="Copies of each index on other nodes.")
    elasticsearch_vectors: Literal["float", "int8"] = Field(
        "float", description="How Elasticsearch searches vectors; int8 takes a quarter of the memory."
    )
    sparse_view: Literal["auto", "tantivy", "elasticsearch"] = Field(
        "auto", description="Where words are indexed; auto: on Elasticsearch where its URL is named."
    )
    dense_view: Literal["hnswlib", "elasticsearch"] = Field(
        "hnswlib", description="Where vectors are indexed: in each process, or on Elasticsearch."
    )
    redis_url: str = Field("", description="URL of the Redis that brokers jobs; empty: jobs run in process.")
    broker_url: str = Field(
        "", description="Broker of jobs as Celery names it, such as amqp://…; empty: the Redis of redis_url."
    )
    jobs: Literal["auto", "embedded", "celery"] = Field(
        "auto", description="Who runs jobs: this process, or Celery's workers; auto: Celery where a broker is named."
    )

    otlp_endpoint: str = Field(
        "", description="Base URL of an OpenTelemetry collector (OTLP/HTTP) that traces go to; empty: no traces."
    )
    otlp_sample_ratio: float = Field(
        0.1, ge=0, le=1, description="Share of requests, batches and rows that are traced; a caller's traceparent wins."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level logged.")
    log_format: Literal["text", "json"] = Field("text", description="Shape of a log line.")

    @property
    def sparse_is_shared(self) -> bool:
        """Whether words are indexed on Elasticsearch."""
        return self.sparse_view == "elasticsearch" or (self.sparse_view == "auto" and bool(self.elasticsearch_url))

    @property
    def uses_elasticsearch(self) -> bool:
        """Whether any view is on Elasticsearch."""
        return self.sparse_is_shared or self.dense_view == "elasticsearch"

    @model_validator(mode="after")
    def _elasticsearch_is_named(self) -> Settings:
        if self.uses_elasticsearch and not self.elasticsearch_url:
            raise ValueError("sparse_view or dense_view is elasticsearch, but KB_ELASTICSEARCH_URL is empty: name it")
        return self

    @model_validator(mode="after")
    def _reader_is_named(self) -> Settings:
        if self.generator == "reader" and not self.reader:
            raise ValueError("generator is reader, but KB_READER is empty: name one that `kb readers list` shows")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file's values, which arrive as constructor arguments."""
        return env_settings, init_settings


def load_settings(config_file: str | Path | None = None, **overrides: Any) -> Settings:
    """Settings from the file (argument, else KB_CONFIG), the environment, then `overrides`, each winning over the last.

    Raises `SettingsError` naming the setting, what was expected and, where no secret can be in it, its value.
    """
    path = config_file or os.environ.get("KB_CONFIG")
    from_file = _read_file(Path(path)) if path else {}
    try:
        settings = Settings(**from_file)
        if overrides:
            settings = Settings.model_validate(settings.model_dump() | overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None  # a traceback of the cause could tell values
    return settings


def mistyped_variables() -> list[tuple[str, str]]:
    """Variables of the environment that are no settings but nearly the name of one, with that name."""
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | {"KB_CONFIG"}
    unknown = sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name not in known)
    near = ((name, difflib.get_close_matches(name, known, 1, MISTYPED)) for name in unknown)
    return [(name, match[0]) for name, match in near if match]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise SettingsError(f"settings file {path} does not exist; create it or unset KB_CONFIG") from None
    except yaml.YAMLError as error:  # its own words quote the file, in which there may be secrets
        raise SettingsError(f"settings file {path} is not YAML{_place(error)}; expected `name: value` lines") from None
    if not isinstance(content, dict):
        raise SettingsError(f"settings file {path} holds a {type(content).__name__}, expected `name: value` lines")
    return content


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"


def _explain(error: ValidationError) -> str:
    return "; ".join(_problem(problem["loc"], problem["msg"], problem["input"]) for problem in error.errors())


def _problem(place: Sequence[int | str], message: str, value: Any) -> str:
    """One problem in words; a rule about several settings has no place, and all of them as its value."""
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    name = ".".join(map(str, place))
    if name not in Settings.model_fields and len(place) == 1:
        return f"setting {name} is not known; docs/settings.md lists those that are"
    shown = f" = {value!r}" if _holds_no_secret(name) else ""
    return f"setting {name} (KB_{name.upper()}){shown}: {message}"


def _holds_no_secret(name: str) -> bool:
    """Whether it is a number, a choice, a path or a text of a set form: any other text may be a URL with a password."""
    field = Settings.model_fields.get(name)
    if field is None or field.annotation is SecretStr:
        return False
    return field.annotation is not str or bool(field.metadata)
