"""Folders and JSON lines as sources: what is read, passed over, read again, and reported."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from kb_ingestion import Ingestion, ingestion, kb

from ingest.changes import ChangeBatch
from ingest.errors import SourceError
from ingest.sources.debezium import DebeziumFileSource
from ingest.sources.files import FileSource
from ingest.sources.jsonl import JsonlSource
from ingest.sources.lines import read_lines
from ingest.sources.manifest import READER_VERSION
from retrieval.types import Deletion, Document, SourcePosition

__all__ = ["ingestion", "kb"]

LONG_AGO = 1_700_000_000  # seconds since the epoch; stamps of files this old are trusted


def poll(source: FileSource | JsonlSource, cursor: str | None = None) -> ChangeBatch:
    """All batches as one."""
    batches = list(source.poll(cursor))
    assert all(batch.cursor is None for batch in batches[:-1]), "the cursor comes with the last batch"
    return ChangeBatch(
        tuple(change for batch in batches for change in batch.changes),
        tuple(failure for batch in batches for failure in batch.failures),
        batches[-1].cursor,
        (),
        tuple(key for batch in batches for key in batch.unchanged),
    )


def put(folder: Path, name: str, content: bytes | str, modified: int = LONG_AGO) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (modified, modified))
    return path


def keys(batch: ChangeBatch) -> list[str]:
    return [change.key for change in batch.changes]


def test_a_folder_is_read_with_its_subfolders(tmp_path: Path) -> None:
    put(tmp_path, "b.txt", "Plain words here.")
    put(tmp_path, "sub/手册.md", "# 标题\n\n正文")
    put(tmp_path, ".hidden/x.txt", "no")
    put(tmp_path, ".secret.txt", "no")
    put(tmp_path, "~$lock.docx", "no")
    put(tmp_path, "old.doc", "x")
    put(tmp_path, "empty.txt", "")
    source = FileSource(tmp_path, acl=("staff",), clock=lambda: 1_800_000_000.0)
    batch = poll(source)
    assert keys(batch) == ["b.txt", "sub/手册.md"]
    document = batch.changes[1]
    assert isinstance(document, Document)
    assert (document.title, document.language, document.acl) == ("标题", "zh", ("staff",))
    assert document.uri == (tmp_path / "sub/手册.md").as_uri()
    assert document.position == SourcePosition((1_800_000_000_000,))
    assert document.committed_at is not None and document.committed_at.timestamp() == LONG_AGO
    assert [failure.key for failure in batch.failures] == ["empty.txt", "old.doc"]
    assert source.mirror
    assert len(source) == 4


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "broken.pdf"):
        put(tmp_path, name, f"Words of {name}")
    source = FileSource(tmp_path)
    first = poll(source)
    assert keys(first) == ["a.txt", "b.txt"]
    put(tmp_path, "b.txt", "Other words", LONG_AGO + 1)
    put(tmp_path, "c.txt", "New words")
    second = poll(source, first.cursor)
    assert keys(second) == ["b.txt", "c.txt"]
    assert second.unchanged == ("a.txt",)
    assert [failure.key for failure in second.failures] == ["broken.pdf"], "what failed is tried again"
    assert second.changes[0].position > first.changes[0].position  # type: ignore[operator]


def test_a_manifest_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It knew the groups of the whole folder only."""
    stamp = (put(tmp_path, "a.txt", "Words").stat().st_mtime_ns, 5)
    cursor = json.dumps({"version": READER_VERSION, "scan": 1, "acl": ["hr"], "files": {"a.txt": stamp}})
    put(tmp_path, "b.txt", "Words")
    batch = poll(FileSource(tmp_path), cursor)
    assert batch.unchanged == ("a.txt",)
    (document,) = batch.changes
    assert isinstance(document, Document) and document.acl == ("hr",)


def test_a_folder_is_read_again_by_parsers_of_another_version(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "words")
    cursor = poll(FileSource(tmp_path)).cursor or ""
    assert keys(poll(FileSource(tmp_path), cursor)) == []
    assert keys(poll(FileSource(tmp_path), cursor.replace(f'"version":{READER_VERSION}', '"version":1'))) == ["a.txt"]


def test_a_file_written_during_the_scan_is_read_again(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "Words", modified=1_800_000_000)
    source = FileSource(tmp_path, clock=lambda: 1_800_000_001.0)
    first = poll(source)
    assert keys(poll(source, first.cursor)) == ["a.txt"], "it may have changed again under the same time stamp"


def test_a_clock_that_goes_back_does_not_make_changes_old(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "Words")
    first = poll(FileSource(tmp_path, clock=lambda: 2_000_000_000.0))
    put(tmp_path, "a.txt", "More words")
    second = poll(FileSource(tmp_path, clock=lambda: 1_000_000_000.0), first.cursor)
    assert second.changes[0].position > first.changes[0].position  # type: ignore[operator]


def test_a_single_file_is_no_mirror_of_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "Words")
    put(tmp_path, "b.txt", "Words")
    with pytest.raises(SourceError, match="only the whole folder mirrors"):
        FileSource(tmp_path / "a.txt", mirror=True)
    source = FileSource(tmp_path / "a.txt")
    assert not source.mirror
    assert keys(poll(source)) == ["a.txt"]
    assert source.name == FileSource(tmp_path).name, "both have the same keys for the same files"


def test_links_that_leave_the_folder_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "outside.txt", "secret")
    put(tmp_path, "in/a.txt", "Words")
    (tmp_path / "in/link.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "in/gone.txt").symlink_to(tmp_path / "in/nothing.txt")
    batch = poll(FileSource(tmp_path / "in"))
    assert keys(batch) == ["a.txt"]
    assert [failure.key for failure in batch.failures] == ["gone.txt"]


def test_odd_names_are_failures_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "Words")
    put(tmp_path, "z.txt", "Words")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    for name in (b"caf\xe9.txt", b"d\xe9p\xf4t/x.txt"):
        put(tmp_path, os.fsdecode(name), "Words")
    batch = poll(FileSource(tmp_path))
    assert keys(batch) == ["a.txt", "z.txt"]
    reasons = {failure.key: failure.reason for failure in batch.failures}
    assert reasons.keys() == {"loop.txt", r"caf\xe9.txt", r"d\xe9p\xf4t/x.txt"}
    assert "leads back to itself" in reasons["loop.txt"]
    assert r"the name caf\xe9.txt is not in UTF-8" in reasons[r"caf\xe9.txt"]
    for source in (FileSource, JsonlSource, DebeziumFileSource):
        with pytest.raises(SourceError, match="does not exist"):
            source(tmp_path / "loop.txt")


def test_many_files_come_in_batches(tmp_path: Path) -> None:
    for n in range(70):
        put(tmp_path, f"{n:02}.txt", f"Words {n}")
    batches = list(FileSource(tmp_path).poll(None))
    assert len(batches) == 3
    assert [change.key for batch in batches for change in batch.changes] == [f"{n:02}.txt" for n in range(70)]


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(SourceError, match="does not exist"):
        FileSource("/nowhere")
    with pytest.raises(SourceError, match="does not exist"):
        JsonlSource("/nowhere.jsonl")


LINES = """\
{"id": "1", "title": " T ", "text": "donâ€™t", "metadata": {"n": 1}, "acl": ["a"], "url": "u"}
{broken

{"_id": 2, "text": "中文内容在此"}
{"id": "3"}
{"id": "4", "text": 5}
{"id": "5", "text": "x", "acl": "a"}
{"id": "6", "text": "x", "metadata": []}
{"text": "x"}
[1]
{"id": "7", "title": "Only a title", "text": ""}
{"id": "8", "deleted": true}
{"id": "", "text": "x"}
{"id": "9", "text": " "}
"""


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines(tmp_path: Path, packed: bool) -> None:
    content = LINES.encode()
    path = put(tmp_path, "corpus.jsonl", gzip.compress(content) if packed else b"\xef\xbb\xbf" + content)
    batch = poll(JsonlSource(path, clock=lambda: 5.0))
    first, second, title_only, deletion = batch.changes
    assert first == Document(
        key="1",
        text="donâ€™t",  # mended on its way in, not here
        title=" T ",
        source=path.as_uri(),
        metadata={"url": "u", "n": 1},
        acl=("a",),
        position=SourcePosition((5000, 1)),
    )
    assert second.key == "2"
    assert isinstance(title_only, Document) and title_only.text == "Only a title"
    assert deletion == Deletion("8", path.as_uri(), SourcePosition((5000, 12)))
    numbered = [failure.key for failure in batch.failures if not failure.named]
    assert numbered == [f"corpus.jsonl:{n}" for n in (2, 9, 10, 13)]
    assert [failure.key for failure in batch.failures if failure.named] == ["3", "4", "5", "6", "9"]
    assert all(failure.payload and "line" in failure.reason for failure in batch.failures)
    assert "not JSON" in batch.failures[0].reason
    assert batch.cursor == "5000"


def test_long_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = put(tmp_path, "c.jsonl", '{"id": 12345678901234567890123, "text": "x", "n": 98765432109876543210}\n')
    (document,) = poll(JsonlSource(path)).changes
    assert isinstance(document, Document)
    assert (document.key, document.metadata) == ("12345678901234567890123", {"n": "98765432109876543210"})


@pytest.mark.parametrize(
    ("given", "language"), [("EN", "en"), (" en-US", "en"), ("zh_Hant", "zh"), ("English", ""), ("", "")]
)
def test_languages_and_groups_are_written_as_filters_and_rights_know_them(
    tmp_path: Path, given: str, language: str
) -> None:
    line = json.dumps({"id": "1", "text": "x", "language": given, "acl": ["hr ", "", "a b"]})
    (document,) = poll(JsonlSource(put(tmp_path, "c.jsonl", line))).changes
    assert isinstance(document, Document)
    assert (document.language, document.acl) == (language, ("hr", "a b"))


@pytest.mark.parametrize("name", ["id", "uri", "language"])
def test_a_nul_where_nothing_mends_it_is_a_failure(tmp_path: Path, name: str) -> None:
    bad = json.dumps({"id": "1", "text": "x", name: "a\0b"})
    batch = poll(JsonlSource(put(tmp_path, "c.jsonl", bad + '\n{"id": "2", "text": "x"}\n')))
    assert keys(batch) == ["2"]
    (failure,) = batch.failures
    assert failure.key == ("c.jsonl:1" if name == "id" else "1")
    assert f"line 1: {name} is 'a\\x00b', which holds a NUL character" in failure.reason


@pytest.mark.parametrize(("key", "taken"), [("k" * 2_000, True), ("k" * 2_001, False), ("键" * 667, False)])
def test_an_id_that_no_catalog_finds_is_a_failure(tmp_path: Path, key: str, taken: bool) -> None:
    lines = (json.dumps({"id": one, "text": "x"}) + "\n" for one in (key, "2"))
    batch = poll(JsonlSource(put(tmp_path, "c.jsonl", "".join(lines))))
    assert keys(batch) == ([key, "2"] if taken else ["2"])
    assert ["longer than 2,000 bytes" in failure.reason for failure in batch.failures] == [True] * (not taken)


def test_of_an_id_that_is_there_twice_the_last_line_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each poll of the same file says the same, so that nothing changes there and back."""
    monkeypatch.setattr("ingest.sources.jsonl.BATCH_DOCUMENTS", 1)
    lines = '{"id": "1", "text": "old"}\n{"id": "2"}\n{"id": "2", "text": "x"}\n{"id": "1", "text": "new"}\n'
    source = JsonlSource(put(tmp_path, "c.jsonl", lines + '{"id": "3", "text": "y"}\n{"_id": 3, "deleted": true}'))
    batch = poll(source)
    assert keys(batch) == ["2", "1", "3"] and not batch.failures
    first, document, gone = batch.changes
    assert isinstance(document, Document) and document.text == "new" and isinstance(gone, Deletion)
    assert first.position is not None and document.position is not None and first.position < document.position


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(LINES.encode() * 50)
    path = put(tmp_path, "c.jsonl.gz", packed[: len(packed) // 2])
    with pytest.raises(SourceError, match="cannot be read"):
        poll(JsonlSource(path))


@pytest.mark.parametrize(("damage", "told"), [("cut", "cannot be read"), ("no gzip", "not JSON")])
def test_a_damaged_archive_is_told_by_the_command_too(
    ingestion: Ingestion, tmp_path: Path, damage: str, told: str
) -> None:
    """It looks at the first line to tell events from documents."""
    path = put(tmp_path, "c.jsonl.gz", gzip.compress(b"x" * 40)[:20] if damage == "cut" else damage)
    if damage == "cut":
        with pytest.raises(SourceError, match=told):
            ingestion.run(path)
    else:
        (failure,) = ingestion.run(path).failures
        assert told in failure.reason


def test_a_line_too_long_is_skipped_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sources.lines.MAX_LINE_BYTES", 10)
    path = put(tmp_path, "c.jsonl", b"x" * 35 + b"\nshort\nlast")
    lines = list(read_lines(path))
    assert [(line.number, line.too_long, line.end, line.complete) for line in lines] == [
        (1, True, 36, True),
        (2, False, 42, True),
        (3, False, 46, False),
    ]
    assert [line.data for line in read_lines(path, 36)] == [b"short", b"last"]
