"""Types of geometries, which SQLAlchemy does not know, for its reflection of tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa


class GeometryType(sa.types.UserDefinedType[Any]):
    """A column of geometries, with what its declaration says of them; its values are read as the driver gives them."""

    cache_ok = True
    sql_name: ClassVar[str] = "GEOMETRY"

    def __init__(self, *of: object) -> None:
        super().__init__()

    def get_col_spec(self, **options: Any) -> str:
        """What lists of columns show."""
        return self.sql_name


def named(names: Iterable[str], base: type[GeometryType] = GeometryType) -> dict[str, type[GeometryType]]:
    """A type like `base` for each of these names, by name."""
    return {name: type(name, (base,), {"sql_name": name.upper(), "cache_ok": True}) for name in names}
