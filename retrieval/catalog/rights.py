"""Who may read a document: the rule, and as a condition by which the database passes over what is not readable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from retrieval.catalog.collections import Collection
from retrieval.types import Principal

_ESCAPE = "\\u"  # in a JSON text: what PostgreSQL may be unable to read, such as a NUL, is written so


def may_read(acl: Iterable[str], principal: Principal) -> bool:
    """Whether one of the caller's groups is on the list. An empty list lets nobody but operators in."""
    return principal.sees_all or not principal.groups.isdisjoint(acl)


def readers(collection: Collection, acl: Sequence[str] | None) -> Sequence[str]:
    """The groups on a document's list, which is the collection's where it has none of its own."""
    return collection.settings.default_acl if acl is None else acl


def perhaps_readable(
    acl: sa.Column[Any], collection: Collection, principal: Principal, dialect: str
) -> sa.ColumnElement[bool]:
    """False of rows whose list keeps the caller out. `may_read` has the last word on the others, which it looks at.

    A list that the database may not understand passes.
    """
    if principal.sees_all:
        return sa.true()
    text = sa.cast(acl, sa.Text)
    is_plain = ~text.contains(_ESCAPE, autoescape=True)
    if dialect == "sqlite":
        is_plain &= sa.func.json_valid(text) == 1
    groups = [group for group in sorted(principal.groups) if "\0" not in group]  # which no plain list holds
    on_list = sa.exists().where(
        _members(acl, dialect).c.value.in_(sa.select(_members(sa.literal(groups, sa.JSON), dialect).c.value))
    )
    default = sa.true() if may_read(collection.settings.default_acl, principal) else sa.false()
    return sa.case((acl.is_(None), default), (is_plain, on_list), else_=sa.true())


def _members(array: sa.ColumnElement[Any], dialect: str) -> sa.TableValuedAlias:
    each = sa.func.json_each if dialect == "sqlite" else sa.func.json_array_elements_text
    return each(array).table_valued("value")
