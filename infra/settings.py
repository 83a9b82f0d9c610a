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

from infra.validation_words import rule_words

ENV_PREFIX = "KB_"
MISTYPED = 0.85  # likeness of a name to that of a setting, from which it is taken for it: a letter or two


class SettingsError(ValueError):
    """A setting does not fit; the message names it, what was expected, and the value where no secret can be in it."""


class Settings(BaseSettings):
    """The settings table. `infra/env.example` and docs/settings.md are generated from it."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,  # a line `KB_ENCODER=` of .env sets nothing
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        Path(".kb"),
        description="Folder that holds the catalog, indexes, models and uploads; by default `.kb` in the working "
        "directory.",
    )
    catalog_url: str = Field(
        "",
        description="SQLAlchemy URL of the catalog's database; when empty, the catalog is a SQLite file in the data "
        "folder.",
    )
    kept_versions: int = Field(
        5,
        ge=0,
        le=1000,
        description="Number of former versions of each document that are kept for the console; 0 keeps none.",
    )
    encoder: str = Field(
        "all-MiniLM-L6-v2",
        description="Encoder that turns text into vectors: a name that `kb encoders list` shows, or the id or folder "
        "of a sentence-transformers model.",
    )
    encoder_precision: Literal["auto", "int8", "fp32"] = Field(
        "auto",
        description="Number format that the encoder computes in; `auto` takes int8 on processors that gain by it, "
        "otherwise fp32.",
    )
    encoder_threads: int = Field(
        0, ge=0, description="Number of threads that encode text; 0 means one per processor core."
    )

    ocr: Literal["auto", "off"] = Field(
        "auto",
        description="Whether text in pictures and in scanned pages of PDF files is recognised: `auto` means if the "
        "extra `ocr` is installed.",
    )

    host: str = Field(
        "127.0.0.1",
        description="Address that the server listens on; the default takes connections from this machine only, and "
        "any address beyond loopback requires that a key exists.",
    )
    port: int = Field(8080, ge=0, le=65535, description="TCP port that the server listens on; 0 picks any free port.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, separated by commas, of reverse proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto headers are trusted; when empty, these headers are ignored.",
    )
    max_body_bytes: int = Field(
        32 * 2**20, ge=1024, description="Maximum size of a request body in bytes; the default is 32 MiB."
    )
    rate_limit_per_minute: int = Field(
        0, ge=0, description="Maximum number of requests that one key may send per minute; 0 means no limit."
    )
    request_timeout_seconds: float = Field(
        30.0, gt=0, description="Maximum time in seconds that a request waits until searches see a write."
    )

    oidc_issuer: str = Field(
        "",
        description="URL of an issuer whose JSON Web Tokens are accepted besides keys; when empty, only keys are "
        "accepted.",
    )
    oidc_audience: str = Field("", description="Audience that a token must name; required if KB_OIDC_ISSUER is set.")
    oidc_jwks_url: str = Field(
        "", description="URL of the issuer's signing keys; when empty, it is discovered from the issuer."
    )
    oidc_groups_claim: str = Field("groups", description="Claim of a token that lists the caller's groups.")
    oidc_client_id: str = Field(
        "", description="Client id of the console at the issuer; when empty, the console offers login by key only."
    )
    oidc_client_secret: SecretStr = Field(
        SecretStr(""),
        description="Client secret of the console at the issuer; when empty, the console is a public client.",
    )

    generator: Literal["extractive", "reader", "openai"] = Field(
        "extractive",
        description="What answers questions if a collection's plan does not say: sentences of the passages "
        "(`extractive`), the span reader in KB_READER (`reader`), or an OpenAI-compatible endpoint "
        "(`openai`).",
    )
    reader: str = Field(
        "",
        description="Name of the span reader that answers if KB_GENERATOR is `reader`, as `kb readers list` shows "
        "it; empty by default.",
    )
    reader_questions: str = Field(
        "",
        description="SQuAD files, separated by commas, whose questions train span readers and choose an answer "
        "model for collections that have no answered questions; none by default.",
    )
    reader_threads: int = Field(
        0, ge=0, description="Number of threads that a span reader uses; 0 means one per processor core."
    )
    llm_base_url: str = Field(
        "",
        description="Base URL of an OpenAI-compatible endpoint, such as Ollama, vLLM or a hosted service; when "
        "empty, no language model is used.",
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="API key for that endpoint; when empty, none is sent.")
    llm_model: str = Field("", description="Name of the model at that endpoint; set it together with KB_LLM_BASE_URL.")
    llm_prompt_price: float = Field(
        0.0,
        ge=0,
        description="Price of a million tokens sent to that endpoint, in any currency; 0 counts them as free.",
    )
    llm_completion_price: float = Field(
        0.0,
        ge=0,
        description="Price of a million tokens written by that endpoint, in the same currency; 0 counts them as free.",
    )
    llm_most_cost: float = Field(
        0.0,
        ge=0,
        description="Maximum cost of 1,000 questions, in the same currency, that `kb tune --task answer` accepts; 0 "
        "means no limit.",
    )
    llm_timeout_seconds: float = Field(
        30.0, gt=0, description="Maximum time in seconds for one answer from that endpoint."
    )
    llm_max_tokens: int = Field(
        600,
        gt=0,
        description="Maximum number of tokens that the endpoint writes for one answer, its thoughts included: models "
        "that reason need thousands, and more time.",
    )

    cache_dir: str = Field(
        "",
        description="Folder in which `kb stack` keeps the servers it downloads; when empty, `autoglm-kb` in the "
        "user's cache folder.",
    )
    kafka_bootstrap_servers: str = Field(
        "",
        description="Kafka brokers as host:port, separated by commas; when empty, there are no live sources and no "
        "workers.",
    )
    worker_group: str = Field("kb-workers", description="Kafka consumer group in which workers share their topics.")
    connect_url: str = Field(
        "", description="REST address of Kafka Connect with Debezium; when empty, there are no live sources."
    )
    connect_secrets_dir: str = Field(
        "",
        description="Folder of password files that Kafka Connect's directory provider may read; when empty, "
        "passwords are written into the connectors' configuration.",
    )
    topic_partitions: int = Field(
        4,
        ge=1,
        le=1000,
        description="Number of partitions of each topic of a new live source, and thus of workers that can share it.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key of at least 32 characters, the same in every process, that encrypts database passwords in "
        "the catalog (of several, separated by commas, the first encrypts); when empty, a key file in "
        "the data folder is used.",
    )
    elasticsearch_url: str = Field(
        "",
        description="URL of Elasticsearch with user and password, or the URLs of several nodes, separated by commas; "
        "when empty, every process has its own indexes.",
    )
    elasticsearch_api_key: SecretStr = Field(
        SecretStr(""),
        description="API key for Elasticsearch, in place of a user and password in its URL; when empty, none is sent.",
    )
    elasticsearch_ca_file: str = Field(
        "",
        description="File with the certificate of the authority that signed Elasticsearch's; when empty, public "
        "authorities are trusted.",
    )
    elasticsearch_prefix: str = Field(
        "kb",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Prefix of the names of all indexes on Elasticsearch; give each catalog its own.",
    )
    elasticsearch_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="Minimum number of copies of each index on other Elasticsearch nodes; existing ones get what "
        "they lack at the next start, and none loses copies.",
    )
    elasticsearch_vectors: Literal["float", "int8"] = Field(
        "float",
        description="Number format of the vectors that Elasticsearch searches; int8 takes a quarter of the memory "
        "of float.",
    )
    sparse_view: Literal["auto", "tantivy", "elasticsearch"] = Field(
        "auto",
        description="Where words are indexed: in each process (`tantivy`) or on Elasticsearch; `auto` means "
        "Elasticsearch if KB_ELASTICSEARCH_URL is set, otherwise tantivy.",
    )
    dense_view: Literal["hnswlib", "elasticsearch"] = Field(
        "hnswlib", description="Where vectors are indexed: in each process (`hnswlib`) or on Elasticsearch."
    )
    redis_url: str = Field(
        "",
        description="URL of the Redis that passes jobs to Celery's workers; when it and KB_BROKER_URL are empty, "
        "the server runs jobs itself.",
    )
    broker_url: str = Field(
        "", description="URL of another broker for Celery, such as `amqp://…`; when empty, KB_REDIS_URL is used."
    )
    jobs: Literal["auto", "embedded", "celery"] = Field(
        "auto",
        description="What runs jobs: the server itself (`embedded`) or Celery's workers (`celery`); `auto` means "
        "Celery if a broker is set.",
    )

    otlp_endpoint: str = Field(
        "",
        description="Base URL of the OpenTelemetry collector that receives traces over OTLP/HTTP; when empty, "
        "nothing is traced.",
    )
    otlp_sample_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of requests, batches and rows that are traced, one in ten by default, unless a caller's "
        "`traceparent` header decides.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest severity that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of a log line: plain text, or a JSON object."
    )

    @property
    def reads_pictures(self) -> bool:
        """Whether text in pictures is recognised, where the extra for it is installed."""
        return self.ocr == "auto"

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
    except OSError as error:
        raise SettingsError(
            f"settings file {path} cannot be read ({error.strerror}); mend that or unset KB_CONFIG"
        ) from None
    except UnicodeDecodeError as error:  # its own words hold a piece of the file
        raise SettingsError(
            f"settings file {path} is not UTF-8 text from byte {error.start} on; save it as UTF-8"
        ) from None
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
    message = rule_words(message)
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
