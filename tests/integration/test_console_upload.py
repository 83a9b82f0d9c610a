"""Files and folders given to the console in a real browser: chosen, dropped, and what became of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_ingestion import base, person, row, served
from console_pages import opened
from playwright.sync_api import BrowserContext, Route, expect
from served import Served

from retrieval.types import OPERATOR

__all__ = ["base", "person", "served"]  # fixtures, found by their names here
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_folder_is_uploaded_and_each_file_says_what_became_of_it(
    served: Served, person: BrowserContext, tmp_path: Path
) -> None:
    served.kb.create_collection("files")
    folder = tmp_path / "manuals"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("The AX-1200 drive weighs 12 kg.")
    (folder / "sub/a.txt").write_text("The BX-7 drive weighs 3 kg.")
    (folder / "broken.pdf").write_bytes(b"no pdf")
    (folder / "clip.mp4").write_bytes(b"no text")
    (folder / ".hidden").write_text("left by a system")
    page = opened(person, "/c/files/upload")
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(page.get_by_text("All 5 files are settled")).to_be_visible()
    assert "New" in row(page, "manuals/a.txt") and "New" in row(page, "manuals/sub/a.txt")
    assert "Failed" in row(page, "broken.pdf") and "not a PDF" in row(page, "broken.pdf")
    assert "Skipped" in row(page, "clip.mp4") and "supported are" in row(page, "clip.mp4")
    assert "Skipped" in row(page, ".hidden")
    found = served.kb.catalog.collections.get("files")
    assert "BX-7" in served.kb.catalog.documents.get(found, "manuals/sub/a.txt", OPERATOR).document.text
    (folder / "a.txt").write_text("The AX-1200 drive weighs 14 kg.")
    page.reload()
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(page.get_by_text("All 5 files are settled")).to_be_visible()
    assert "Updated" in row(page, "manuals/a.txt") and "Unchanged" in row(page, "manuals/sub/a.txt")
    page.get_by_text("Failed (1)").click()
    expect(page.get_by_role("row")).to_have_count(2)  # its head and the broken file
    page.get_by_role("cell", name="manuals/broken.pdf").wait_for()


def test_an_empty_console_leads_to_the_upload(served: Served, person: BrowserContext, tmp_path: Path) -> None:
    for one in served.kb.catalog.collections.all():
        served.kb.drop_collection(one.name)
    page = opened(person, "/")
    page.get_by_role("link", name="Upload files").click()
    page.get_by_role("dialog").get_by_label("Name").fill("first")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    page.get_by_role("heading", level=1, name="first").wait_for()
    (tmp_path / "empty.txt").touch()
    page.get_by_label("Choose files").set_input_files(tmp_path / "empty.txt")
    expect(page.get_by_text("All 1 files are settled")).to_be_visible()
    assert "is empty" in row(page, "empty.txt")
    expect(page.get_by_role("button", name="Try the failed ones again")).to_have_count(0)  # it stays empty
    (tmp_path / "broken.pdf").write_bytes(b"no pdf")
    page.get_by_label("Choose files").set_input_files(tmp_path / "broken.pdf")
    expect(page.get_by_role("button", name="Try the failed ones again")).to_be_visible()


def test_a_server_that_does_not_tell_for_a_while_stores_the_files_all_the_same(
    served: Served, person: BrowserContext, tmp_path: Path
) -> None:
    served.kb.create_collection("hiccups")
    (tmp_path / "a.txt").write_text("The AX-1200 drive weighs 12 kg.")
    page = opened(person, "/c/hiccups/upload")
    page.route("**/documents:upload?*", lambda route: route.abort())
    page.get_by_label("Choose files").set_input_files(tmp_path / "a.txt")
    expect(page.get_by_text("All 1 files are settled")).to_be_visible()
    assert "The server does not answer" in row(page, "a.txt")
    page.unroute("**/documents:upload?*")
    page.reload()
    left = [0, 503, 429]  # what becomes of the first looks at the job

    def hiccup(route: Route) -> None:
        if not left:
            return route.continue_()
        status = left.pop(0)
        return route.fulfill(status=status, json={}) if status else route.abort()

    page.route("**/v1/jobs/*", hiccup)
    page.get_by_label("Choose files").set_input_files(tmp_path / "a.txt")
    expect(page.get_by_text("All 1 files are settled")).to_be_visible()
    assert "New" in row(page, "a.txt") and not left
    page.unroute("**/v1/jobs/*")
    page.route("**/v1/jobs/*", lambda route: route.fulfill(status=404, json={"error": {"message": "no such job"}}))
    (tmp_path / "b.txt").write_text("The BX-7 drive weighs 3 kg.")
    page.get_by_label("Choose files").set_input_files(tmp_path / "b.txt")
    expect(page.get_by_text("All 2 files are settled")).to_be_visible()
    assert "Failed" in row(page, "b.txt") and "no such job" in row(page, "b.txt")
    page.unroute("**/v1/jobs/*")
    page.route("**/v1/jobs/*", lambda route: route.fulfill(json={"state": "succeeded", "error": "", "result": {}}))
    (tmp_path / "c.txt").write_text("The CX-7 drive weighs 3 kg.")
    page.get_by_label("Choose files").set_input_files(tmp_path / "c.txt")
    expect(page.get_by_text("All 3 files are settled")).to_be_visible()
    assert "done" in row(page, "c.txt") and "succeeded" not in row(page, "c.txt")  # a state in words


def test_files_keep_the_prefix_and_the_readers_they_were_added_with(
    served: Served, person: BrowserContext, tmp_path: Path
) -> None:
    served.kb.create_collection("prefixed")
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"The drive {name} weighs 12 kg.")
    page = opened(person, "/c/prefixed/upload")
    prefix = page.get_by_label("Put before each path")
    readers = page.get_by_role("combobox", name="Who may read them")
    prefix.fill("one/")
    readers.fill("hr")
    readers.press("Enter")
    readers.press("Tab")  # the choices are in the way otherwise
    page.get_by_label("Choose files").set_input_files(tmp_path / "a.txt")
    expect(page.get_by_text("All 1 files are settled")).to_be_visible()
    page.route("**/documents:upload?*", lambda route: route.fulfill(status=503, json={}))
    page.get_by_label("Choose files").set_input_files(tmp_path / "b.txt")
    expect(page.get_by_text("All 2 files are settled")).to_be_visible()
    prefix.fill("two/")
    readers.press("Backspace")
    readers.press("Tab")
    page.get_by_label("Choose files").set_input_files(tmp_path / "c.txt")
    expect(page.get_by_text("Failed (2)")).to_be_visible()
    page.unroute("**/documents:upload?*")
    page.get_by_role("button", name="Try the failed ones again").click()
    expect(page.get_by_text("New (3)")).to_be_visible()
    docs, found = served.kb.catalog.documents, served.kb.catalog.collections.get("prefixed")
    stored = {key: docs.get(found, key, OPERATOR).document.acl for key in docs.keys(found)}
    assert stored == {"one/a.txt": ("hr",), "one/b.txt": ("hr",), "two/c.txt": None}  # None: as the collection has it
    page.get_by_role("link", name="a.txt").click()
    expect(page.get_by_text("The drive a.txt weighs 12 kg.").first).to_be_visible()


def test_files_are_dropped_onto_the_page(served: Served, person: BrowserContext) -> None:
    served.kb.create_collection("dropped")
    page = opened(person, "/c/dropped/upload")
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(['Dropped turbines turn.'], 'dropped.md', {type: 'text/markdown'}));
            transfer.items.add(new File(['Nobody reads it.'], 'locked.md', {type: 'text/markdown'}));
            const locked = { name: 'locked.md', isDirectory: false, file: (_, refused) => refused(new DOMException()) };
            DataTransferItem.prototype.webkitGetAsEntry = function () {
                const file = this.getAsFile();
                return file.name === 'locked.md' ? locked : { ...locked, name: file.name, file: (done) => done(file) };
            };
            return transfer;
        }"""
    )
    page.get_by_role("region", name="Drop files").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_text("All 2 files are settled")).to_be_visible()
    assert "could not read it" in row(page, "locked.md")  # and it keeps no other file from being sent
    page.get_by_role("link", name="dropped.md").click()
    expect(page.get_by_text("Dropped turbines turn.").first).to_be_visible()


def test_a_folder_is_dropped_as_from_a_desktop(served: Served, person: BrowserContext, tmp_path: Path) -> None:
    """By the browser's own drag and drop, which alone hands out what a folder holds."""
    served.kb.create_collection("desktop")
    (tmp_path / "manuals/sub").mkdir(parents=True)
    (tmp_path / "manuals/a.txt").write_text("The AX-1200 drive weighs 12 kg.")
    (tmp_path / "manuals/sub/b.txt").write_text("The BX-7 drive weighs 3 kg.")
    page = opened(person, "/c/desktop/upload")
    place = page.get_by_role("region", name="Drop files").bounding_box()
    assert place is not None
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + 20}
    dragged = {"items": [], "files": [str(tmp_path / "manuals")], "dragOperationsMask": 1}
    session = person.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": dragged})
    expect(page.get_by_text("All 2 files are settled")).to_be_visible()
    found = served.kb.catalog.collections.get("desktop")
    assert served.kb.catalog.documents.keys(found) == {"manuals/a.txt", "manuals/sub/b.txt"}
