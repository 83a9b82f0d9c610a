"""Files of one upload: each name once."""

from __future__ import annotations

from api.jobs.uploads import About, read_upload
from retrieval.types import Document


def test_a_second_file_of_a_name_does_not_replace_the_first() -> None:
    about, names = About("up/", {}, None), ["a.txt", "b/a.txt", "a.txt"]
    first, other, again = (read_upload(about, name, b"words", names[:at]) for at, name in enumerate(names))
    assert isinstance(first, Document) and first.key == "up/a.txt"
    assert isinstance(other, Document) and other.key == "up/b/a.txt"
    assert isinstance(again, dict) and again["file"] == "a.txt" and "rename it" in again["error"]
