"""A fictitious bilingual company to try everything on: a SQLite file, documents by group, and questions about them."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Company:
    """Where the parts of the company lie. Each folder in `documents` is named after the group that may read it."""

    database: Path  # SQLite: 271 rows in eight tables
    mapping: Path  # YAML: how rows become documents
    documents: Path  # documents/<group>/<file>; each folder is one source, file names are unique
    questions: Path  # JSONL: {id, text, language, answerable}
    qrels: Path  # TSV: query-id, corpus-id, score

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that own a folder of documents, by name."""
        return tuple(sorted(folder.name for folder in self.documents.iterdir() if folder.is_dir()))


@dataclass(frozen=True, slots=True)
class RowChange:
    """A statement that changes a row, the question that finds it afterwards, and words only the new text has."""

    statement: str
    key: str  # the document it changes
    question: str
    proof: str  # "" for a deletion: the document must be gone


UPDATE = RowChange(
    "UPDATE faqs SET answer = 'Since this morning a night courier brings stock items before nine o''clock; "
    "everything else takes five working days.' WHERE id = 36",
    "main.faqs/36",
    "What is the delivery time of standard products?",
    "night courier",
)
PARENT_UPDATE = RowChange(
    "UPDATE products SET name = 'Servo drive 400 W Skylark edition' WHERE code = 'AX-1200'",
    "main.tickets/1",
    "Skylark edition trips with E-07",
    "Skylark edition",
)
DELETE = RowChange("DELETE FROM tickets WHERE id = 58", "main.tickets/58", "CB-M12 wrong length delivered", "")


def write_company(folder: Path) -> Company:
    """The company's files, written fresh into `folder` (made when missing; an older copy there is replaced)."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = resources.files(__package__ or "infra.sample")
    company = Company(
        *(folder / name for name in ("company.db", "mapping.yaml", "documents", "questions.jsonl", "qrels.tsv"))
    )
    _write_database(company.database, parts.joinpath("company.sql").read_text(encoding="utf-8"))
    for path in (company.mapping, company.questions, company.qrels):
        path.write_bytes(parts.joinpath(path.name).read_bytes())
    with resources.as_file(parts.joinpath("documents")) as source:
        shutil.rmtree(company.documents, ignore_errors=True)
        shutil.copytree(source, company.documents)
    return company


def change_row(database: Path, change: RowChange) -> None:
    """Run the change on the company's database. Raises `LookupError` when it touched no row."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        if connection.execute(change.statement).rowcount != 1:
            raise LookupError(f"{database} has no row for {change.key}; write the company anew with write_company")


def _write_database(path: Path, script: str) -> None:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA foreign_keys = ON;\n{script}")
