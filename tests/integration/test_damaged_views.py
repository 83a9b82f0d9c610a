"""View folders that lost a file, or what one held: the collection opens, is built again and finds everything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from served import in_process
from waiting import eventually

from api.knowledge_base import KnowledgeBase
from api.serving import collection_runtime
from api.serving.view_opening import OpenedViews
from infra.settings import Settings
from retrieval.dense import view as dense
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document
from retrieval.views.folder import delete_views

DOCUMENTS = 40
FILES = [  # of each view
    *(f"{view}/manifest.json" for view in ("attributes", "dense", "sparse")),
    "attributes/rows.json",
    "dense/vectors-*",
    "dense/graph-*",
    "dense/slots-*",
    "sparse/index/meta.json",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a knowledge base whose vectors have a graph."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLAT_LIMIT", "TAIL_LIMIT"):
            patch.setattr(dense, name, 4)
        with in_process(folder) as served:
            served.kb.create_collection("c")
            documents = [Document(f"d{n}", f"text number{n} of pumps", acl=("everyone",)) for n in range(DOCUMENTS)]
            served.kb.write("c", documents, wait=True)
    return folder


@pytest.fixture
def views(saved: Path, tmp_path: Path) -> Path:
    """The folder of its views, in a copy of the whole that is at `tmp_path / "kb"`."""
    shutil.copytree(saved, tmp_path / "kb")
    (folder,) = (tmp_path / "kb" / "views").glob("*/*")
    return folder


def assert_all_found(data_dir: Path) -> None:
    """Each leg has every document, and so have its views."""
    with KnowledgeBase.open(Settings(data_dir=data_dir, encoder="hash")) as kb:
        result = kb.search("c", SearchRequest("pumps", DOCUMENTS), OPERATOR)
        assert (len(result.hits), result.degraded) == (DOCUMENTS, ())
        assert all(hit.fused.sparse and hit.fused.dense for hit in result.hits)
        views = kb.runtime("c").follower.views
        assert [len(view.labels()) for view in (views.sparse, views.dense, views.attributes)] == [DOCUMENTS] * 3


def remove(path: Path) -> None:
    path.unlink()


def empty_value(path: Path) -> None:
    path.write_bytes(b"null")


@pytest.mark.parametrize("damage", [remove, empty_value])
@pytest.mark.parametrize("file", FILES)
def test_a_collection_opens_whatever_file_of_its_views_is_lost(
    views: Path, file: str, damage: Callable[[Path], None]
) -> None:
    (path,) = views.glob(file)
    damage(path)
    assert_all_found(views.parents[2])


def test_a_lost_folder_of_words_is_built_again(views: Path) -> None:
    shutil.rmtree(views / "sparse" / "index")
    assert_all_found(views.parents[2])


def test_a_disk_that_refuses_at_the_start_is_asked_again(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_views, refused = collection_runtime.open_views, list[str]()

    def opened(folder: Path, *arguments: Any) -> OpenedViews:
        if not refused:
            refused.append(folder.name)
            raise OSError(28, "No space left on device")
        return open_views(folder, *arguments)

    shutil.copytree(saved, tmp_path / "kb")
    monkeypatch.setattr(collection_runtime, "open_views", opened)
    with in_process(tmp_path / "kb") as served:
        eventually(lambda: served.client.get("/readyz").status_code == 200)
        assert len(refused) == 1 and served.kb.runtimes.open_names() == ["c"]


def test_views_killed_while_they_are_deleted_are_not_taken_for_whole(
    views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After whichever file; the collection's words and vectors are all there when it is opened again."""
    files = sum(path.is_file() for path in views.rglob("*"))
    unlink, states = os.unlink, set[tuple[str, ...]]()
    for allowed in range(files):
        copy, left = tmp_path / str(allowed), allowed
        shutil.copytree(views, copy)

        def killed(*arguments: object, **options: object) -> None:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            unlink(*arguments, **options)  # type: ignore[arg-type]

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, "unlink", killed)
            delete_views(copy)
        whole = [view for view in ("attributes", "dense", "sparse") if (copy / view / "manifest.json").exists()]
        for view in whole:
            assert {path.name for path in (copy / view).rglob("*") if path.is_file()} == {
                path.name for path in (views / view).rglob("*") if path.is_file()
            }
        states.add(tuple(whole))
    assert () in states and len(states) > 1, "it was killed before and after the manifests were gone"
