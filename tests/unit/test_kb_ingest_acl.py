"""Who may read what `kb ingest` brought: what its runs say, and what they forget to say."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kb_ingestion import Ingestion, folder, ingestion, kb, put

from ingest import pipeline
from ingest.errors import SourceError
from ingest.sources.files import FileSource
from retrieval.catalog import Outcome

__all__ = ["folder", "ingestion", "kb"]


@pytest.mark.parametrize(("former", "later"), [(None, ["hr"]), (["hr"], ["secret"])])
def test_another_acl_reaches_every_file_and_embeds_nothing(
    ingestion: Ingestion, folder: Path, former: list[str] | None, later: list[str]
) -> None:
    ingestion.run(folder, acl=former)
    report = ingestion.run(folder, acl=later)
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt"), tuple(later))
    assert (report.outcomes[Outcome.METADATA], report.chunks, report.embedded) == (2, 0, 0)
    assert ingestion.run(folder, acl=later).unread == 2, "files with the same ACL are not read again"


def test_who_forgets_the_acl_opens_nothing(ingestion: Ingestion, folder: Path) -> None:
    """Neither what was there nor what is new, until another group is named."""
    ingestion.run(folder, acl=["hr"])
    put(folder / "a.txt", "Other words.")
    put(folder / "c.txt", "New words.")
    report = ingestion.run(folder)
    assert (report.documents, report.unread) == (3, 1)
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt", "c.txt"), ("hr",))
    ingestion.run(folder, acl=["everyone"])
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt", "c.txt"), ("everyone",))


def test_another_acl_reaches_the_document_of_a_file_that_cannot_be_read_any_more(
    ingestion: Ingestion, folder: Path
) -> None:
    ingestion.run(folder, acl=["hr"])
    put(folder / "b.txt", "")
    report = ingestion.run(folder, acl=["secret"])
    assert ingestion.acls() == {"a.txt": ("secret",), "b.txt": ("secret",)}
    assert (report.failed, report.outcomes[Outcome.METADATA]) == (1, 2)


def test_the_acl_of_one_file_says_nothing_of_the_others_in_its_folder(ingestion: Ingestion, folder: Path) -> None:
    ingestion.run(folder)
    ingestion.run(folder / "a.txt", acl=["hr"])
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": None}
    ingestion.run(folder, acl=["hr"])
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("hr",)}


@pytest.mark.parametrize("of_file", ["everyone", "secret"])
def test_the_acl_of_one_file_stays_its_own_until_its_folder_is_given_one(
    ingestion: Ingestion, folder: Path, of_file: str
) -> None:
    ingestion.run(folder, acl=["hr"])
    ingestion.run(folder / "b.txt", acl=[of_file])
    apart = {"a.txt": ("hr",), "b.txt": (of_file,)}
    assert ingestion.acls() == apart
    assert ingestion.run(folder).unread == 2, "files that did not change are not read again"
    for name in apart:
        put(folder / name, f"Other words of {name}")
    ingestion.run(folder / "b.txt")
    ingestion.run(folder)
    put(folder / "c.txt", "New words")
    ingestion.run(folder)
    assert ingestion.acls() == apart | {"c.txt": ("hr",)}
    ingestion.run(folder, acl=["hr"])
    assert ingestion.acls() == dict.fromkeys((*apart, "c.txt"), ("hr",))
    ingestion.run(folder)
    assert ingestion.acls() == dict.fromkeys((*apart, "c.txt"), ("hr",))


@pytest.mark.parametrize("former", [None, ["everyone"]])
def test_a_run_that_ends_early_keeps_its_acl(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch, former: list[str] | None
) -> None:
    """Also for the document of a file that cannot be read any more."""
    if former is not None:
        ingestion.run(folder, acl=former)
        put(folder / "b.txt", "")
    with monkeypatch.context() as patched:
        patched.setattr("ingest.sources.files.BATCH_FILES", 1)
        patched.setattr(pipeline, "BATCH_CHANGES", 1)
        patched.setattr("ingest.sources.files.FileSource._files", lambda source, _: failing(source, "a.txt"))
        with pytest.raises(SourceError, match="cannot be listed"):
            ingestion.run(folder, acl=["hr"])
    assert ingestion.acls()["a.txt"] == ("hr",)
    ingestion.run(folder)
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("hr",)}


def test_what_a_run_that_ended_early_opened_is_closed_by_naming_the_groups_again(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the document of a file that cannot be read any more, and after two such runs."""
    ingestion.run(folder, acl=["hr"])
    for groups in ("everyone", "staff", "everyone"):
        with monkeypatch.context() as patched:
            patched.setattr("ingest.sources.files.BATCH_FILES", 1)
            patched.setattr(pipeline, "BATCH_CHANGES", 1)
            patched.setattr(
                "ingest.sources.files.FileSource._files", lambda source, _: failing(source, "a.txt", "b.txt")
            )
            with pytest.raises(SourceError, match="cannot be listed"):
                ingestion.run(folder, acl=[groups])
        assert ingestion.acls()["a.txt"] == (groups,)
    put(folder / "b.txt", "")
    ingestion.run(folder, acl=["hr"])
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("hr",)}
    report = ingestion.run(folder, acl=["hr"])
    assert (report.documents, report.unread, report.failed) == (1, 1, 1)


def test_who_forgets_the_prefix_renames_and_opens_nothing(ingestion: Ingestion, folder: Path) -> None:
    ingestion.run(folder, prefix="hr/")
    ingestion.run(folder / "b.txt", prefix="hr/", acl=["boss"])
    report = ingestion.run(folder)
    assert (report.outcomes[Outcome.CREATED], report.outcomes[Outcome.DELETED]) == (0, 0)
    assert ingestion.acls() == {"hr/a.txt": None, "hr/b.txt": ("boss",)}


@pytest.mark.parametrize("later", ["", "eng/"])
def test_a_file_keeps_its_acl_under_another_prefix(ingestion: Ingestion, folder: Path, later: str) -> None:
    ingestion.run(folder, prefix="hr/")
    ingestion.run(folder / "b.txt", acl=["boss"])
    for _ in range(2):
        ingestion.run(folder, prefix=later)
        assert ingestion.acls() == {f"{later}a.txt": None, f"{later}b.txt": ("boss",)}
    put(folder / "b.txt", "Other words, longer than before")
    ingestion.run(folder)
    assert ingestion.acls()[f"{later}b.txt"] == ("boss",)


def test_a_file_keeps_the_acl_that_an_earlier_version_kept_with_the_prefix(ingestion: Ingestion, folder: Path) -> None:
    ingestion.run(folder, prefix="hr/")
    sources = ingestion.kb.catalog.sources
    (record,) = sources.all(ingestion.collection)
    sources.change(record, config={"readers": {"acl": None, "apart": {"hr/b.txt": ["boss"]}}})
    for prefix in ("hr/", "staff/"):
        ingestion.run(folder, prefix=prefix)
        assert ingestion.acls() == {f"{prefix}a.txt": None, f"{prefix}b.txt": ("boss",)}


def test_json_lines_keep_their_prefix(ingestion: Ingestion, tmp_path: Path) -> None:
    lines = put(tmp_path / "s.jsonl", '{"id": "a", "text": "pay"}\n')
    ingestion.run(lines, prefix="hr/")
    ingestion.run(lines)
    assert set(ingestion.documents()) == {"hr/a"}


def failing(source: FileSource, *names: str) -> Iterator[Path]:
    """The files that a folder has before one that cannot be listed."""
    yield from (source._root / name for name in names)
    raise SourceError("folder z cannot be listed")


def test_a_folder_of_an_earlier_version_keeps_its_acl(ingestion: Ingestion, folder: Path) -> None:
    """Its cursor alone tells it."""
    ingestion.run(folder, acl=["hr"])
    sources = ingestion.kb.catalog.sources
    (record,) = sources.all(ingestion.collection)
    sources.change(record, config={})
    ingestion.run(folder / "b.txt", acl=["everyone"])
    put(folder / "a.txt", "Other words")
    ingestion.run(folder)
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("everyone",)}


def test_a_subfolder_that_cannot_be_listed_is_a_failure_and_keeps_its_documents(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They get the groups of the run all the same, and what is gone elsewhere goes."""
    inside = folder / "locked"
    for name in ("c.txt", "d.txt"):
        put(inside / name, f"Words of {name}")
    ingestion.run(folder)
    ingestion.run(inside.parent / "b.txt", acl=["boss"])
    (folder / "a.txt").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("os.scandir", refusing(inside))
        for groups in (None, ["hr"]):
            report = ingestion.run(folder, acl=groups)
            (failure,) = report.failures
            assert (failure.key, report.withheld) == ("locked/", 0)
            assert "folder locked/ cannot be listed: Permission denied" in failure.reason
            assert ingestion.letters() == ["locked/"]
    assert ingestion.acls() == dict.fromkeys(("b.txt", "locked/c.txt", "locked/d.txt"), ("hr",))
    (inside / "c.txt").unlink()
    ingestion.run(folder)
    assert (set(ingestion.documents()), ingestion.letters()) == ({"b.txt", "locked/d.txt"}, [])


def test_a_folder_that_cannot_be_listed_ends_the_run(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion.run(folder)
    with monkeypatch.context() as patched:
        patched.setattr("os.scandir", refusing(folder))
        with pytest.raises(SourceError, match="cannot be listed: Permission denied"):
            ingestion.run(folder)
    assert set(ingestion.documents()) == {"a.txt", "b.txt"}


def refusing(folder: Path) -> Callable[[str], Any]:
    """`os.scandir` as it is for who may not read that folder."""
    scan = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    return scandir


def test_the_acl_of_json_lines_is_that_of_lines_without_one(ingestion: Ingestion, tmp_path: Path) -> None:
    lines = put(tmp_path / "s.jsonl", '{"id": "a", "text": "pay"}\n{"id": "b", "text": "bonus", "acl": ["boss"]}\n')
    ingestion.run(lines, acl=["hr"])
    assert ingestion.acls() == {"a": ("hr",), "b": ("boss",)}
    put(lines, lines.read_text() + '{"id": "c", "text": "new"}\n')
    ingestion.run(lines)
    assert ingestion.acls() == {"a": ("hr",), "b": ("boss",), "c": ("hr",)}, "who forgets the ACL opens nothing"
    ingestion.run(lines, acl=["everyone"])
    assert ingestion.acls() == {"a": ("everyone",), "b": ("boss",), "c": ("everyone",)}


@pytest.mark.parametrize("kind", ["sql", "debezium"])
def test_an_acl_for_rows_is_refused_since_the_mapping_says_it(ingestion: Ingestion, tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError, match=r"say in the mapping, with acl, who may read them"):
        ingestion.run(put(tmp_path / "rows", ""), kind=kind, acl=["hr"])
