"""The mapping as it is written in YAML or sent as JSON, with messages that say where it does not fit."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.validation_words import rule_words
from ingest.errors import MappingError


def _qualified(table: str) -> str:
    if "." not in table.strip("."):
        raise ValueError(f"table {table!r} has no schema; write schema.table, such as public.{table} or main.{table}")
    return table


Name = Annotated[str, Field(min_length=1)]
TableName = Annotated[Name, AfterValidator(_qualified)]
_LANGUAGE_CODE = re.compile(r"[a-z]{2}")


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IncludeForm(_Form):
    """One joined table."""

    table: TableName
    on: dict[Name, Name] = Field(min_length=1, description="Column of the joined table: column of the own table.")
    many: bool = False
    include: dict[Name, IncludeForm] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _mend_on(cls, content: Any) -> Any:
        """YAML 1.1 reads the bare word `on` as true."""
        if isinstance(content, dict) and True in content:
            content = {("on" if key is True else key): value for key, value in content.items()}
        return content


class TableForm(_Form):
    """One mapped table."""

    title: Name
    body: Name
    metadata: list[Name] | dict[Name, Name] = Field(default_factory=list)
    acl: Name | list[Name] | None = None
    include: dict[Name, IncludeForm] = Field(default_factory=dict)
    language: str = ""
    uri: str | None = None

    @property
    def is_language_code(self) -> bool:
        """Whether `language` is a code such as "en", not a column or template."""
        return self.language == "" or _LANGUAGE_CODE.fullmatch(self.language) is not None


class MappingForm(_Form):
    """The whole mapping."""

    tables: dict[TableName, TableForm] = Field(min_length=1)


def read_form(content: Any) -> MappingForm:
    """The mapping as a checked form. Raises `MappingError` naming each place, what is there and what was expected."""
    try:
        return MappingForm.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise MappingError(f"mapping does not fit: {problems}") from error


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "top level"
    message = rule_words(problem["msg"])
    if problem["type"] == "extra_forbidden":
        return f"{place} is not known here"
    if problem["type"] == "missing":
        return f"{place} is missing"
    if problem["type"].startswith(("model_", "dataclass_")):
        return f"{place} = {problem['input']!r:.80}; expected names with values, indented below it"
    if problem["loc"][-1:] == ("[key]",):  # the place ends with the name itself
        return f"{place}: {message}"
    return f"{place} = {problem['input']!r:.80}: {message}"
