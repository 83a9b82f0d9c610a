r"""The declarative mapping from tables to documents.

tables:
shop.faqs:
title: question                       # a column, or a template
body: "{question}\n{answer}\nProduct: {product.name}"
metadata: [category]                  # or {name: column}
acl: visible_to                       # a column, or a list of groups
include:
product: {table: shop.products, on: {id: product_id}}   # joined column: own column
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ingest.errors import MappingError
from ingest.mapping_form import IncludeForm, MappingForm, TableForm, read_form
from ingest.template import Reference, Template

TableForms = Mapping[str, Any]  # what a mapping file says under `tables`


@dataclass(frozen=True, slots=True)
class Include:
    """Rows of `table` joined under an alias: those whose column `on[i][0]` equals the own row's `on[i][1]`."""

    table: str
    on: tuple[tuple[str, str], ...]
    many: bool = False
    include: Mapping[str, Include] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableMapping:
    """How rows of one table become documents."""

    title: Template
    body: Template
    metadata: Mapping[str, Reference] = field(default_factory=dict)
    acl: Reference | tuple[str, ...] | None = None  # a column, fixed groups, or the collection's default
    include: Mapping[str, Include] = field(default_factory=dict)
    language: Template | str = ""  # a column or template, or a fixed ISO 639-1 code
    uri: Template | None = None

    @property
    def references(self) -> Iterator[Reference]:
        """Every column that the mapping names."""
        yield from self.title.references
        yield from self.body.references
        yield from self.metadata.values()
        for template in (self.language, self.uri):
            if isinstance(template, Template):
                yield from template.references
        if isinstance(self.acl, Reference):
            yield self.acl

    @property
    def many(self) -> frozenset[tuple[str, ...]]:
        """The alias paths under which there may be several rows."""
        return frozenset(path for path, include in walk_includes(self.include) if include.many)


@dataclass(frozen=True, slots=True)
class TablesMapping:
    """All mapped tables of a source, by `schema.table`."""

    tables: Mapping[str, TableMapping]

    @property
    def all_tables(self) -> frozenset[str]:
        """Mapped tables and those joined to them: the ones whose rows must be read."""
        return frozenset(self.tables) | self.joined_tables

    @property
    def joined_tables(self) -> frozenset[str]:
        """Tables whose rows appear in documents of other rows."""
        return frozenset(
            include.table for mapping in self.tables.values() for _, include in walk_includes(mapping.include)
        )

    def columns_of(self, table: str) -> frozenset[str]:
        """The columns of that table which the mapping names, directly or as joined."""
        return frozenset(column for at, column in self._named_columns() if at == table)

    def check_columns(self, table: str, known: Collection[str]) -> None:
        """Raises `MappingError` when the mapping names a column of the table that is not among the known ones."""
        unknown = sorted(self.columns_of(table) - set(known))
        if unknown:
            raise MappingError(
                f"table {table} has no column {', '.join(map(repr, unknown))} that the mapping names; "
                f"known columns: {', '.join(sorted(known))}"
            )

    def link_columns(self, table: str) -> frozenset[str]:
        """The columns of that table by which joins find its rows."""
        return frozenset(column for at, column in self._join_columns() if at == table)

    def _named_columns(self) -> Iterator[tuple[str, str]]:
        yield from self._join_columns()
        for name, mapping in self.tables.items():
            for reference in mapping.references:
                yield table_of(name, mapping.include, reference), reference.column

    def _join_columns(self) -> Iterator[tuple[str, str]]:
        for name, mapping in self.tables.items():
            owners = {(): name} | {path: include.table for path, include in walk_includes(mapping.include)}
            for path, include in walk_includes(mapping.include):
                for theirs, own in include.on:
                    yield include.table, theirs
                    yield owners[path[:-1]], own


def walk_includes(
    includes: Mapping[str, Include], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Include]]:
    """(alias path, include) of each join, outer ones first."""
    for alias, include in includes.items():
        yield (*above, alias), include
        yield from walk_includes(include.include, (*above, alias))


def table_of(table: str, includes: Mapping[str, Include], reference: Reference) -> str:
    """The table that a reference of `table` leads to. Raises `MappingError` for an unknown alias."""
    for alias in reference.aliases:
        if alias not in includes:
            known = ", ".join(sorted(includes)) or "none"
            raise MappingError(f"{reference} of table {table}: {alias!r} is not included; included: {known}")
        table, includes = includes[alias].table, includes[alias].include
    return table


def load_mapping(path: str | Path) -> TablesMapping:
    """The mapping in a YAML or JSON file. Raises `MappingError`."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"mapping file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"mapping file {path} is not YAML: {error}") from error
    return parse_mapping(content)


def parse_mapping(content: Any) -> TablesMapping:
    """The mapping in a parsed YAML or JSON object `{"tables": {...}}`. Raises `MappingError`."""
    form: MappingForm = read_form(content)
    mapping = TablesMapping({name: _table(name, table) for name, table in form.tables.items()})
    for name, table in mapping.tables.items():
        for reference in table.references:
            table_of(name, table.include, reference)
    return mapping


def mapping_of_tables(tables: TableForms) -> TablesMapping:
    """The mapping of these tables by name, each as in a mapping file. Raises `MappingError`."""
    return parse_mapping({"tables": tables})


def _table(name: str, form: TableForm) -> TableMapping:
    try:
        return TableMapping(
            title=Template.parse(form.title),
            body=Template.parse(form.body),
            metadata=_metadata(form.metadata),
            acl=Reference.parse(form.acl)
            if isinstance(form.acl, str)
            else None
            if form.acl is None
            else tuple(form.acl),
            include=_includes(form.include),
            language=form.language if form.is_language_code else Template.parse(form.language),
            uri=Template.parse(form.uri) if form.uri else None,
        )
    except MappingError as error:
        raise MappingError(f"tables.{name}: {error}") from error


def _metadata(form: Sequence[str] | Mapping[str, str]) -> dict[str, Reference]:
    if isinstance(form, Mapping):
        return {name: Reference.parse(column) for name, column in form.items()}
    return {str(reference): reference for reference in map(Reference.parse, form)}


def _includes(forms: Mapping[str, IncludeForm]) -> dict[str, Include]:
    return {
        alias: Include(form.table, tuple(form.on.items()), form.many, _includes(form.include))
        for alias, form in forms.items()
    }
