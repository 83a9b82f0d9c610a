"""A disk that does not take what the dense view writes: the former snapshot counts, and the view goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval.dense import DenseView
from retrieval.dense import view as dense
from retrieval.testing.views import DIM, make_batch, topic_vector

GRAPH_CUT_SHORT = """
import resource, signal, sys
from pathlib import Path
from retrieval.dense import view as dense
from retrieval.dense.vector_graph import VectorGraph
from retrieval.errors import OutageError
from retrieval.testing.views import DIM, make_batch

dense.FLAT_LIMIT = dense.TAIL_LIMIT = 4
folder, save = Path(sys.argv[1]), VectorGraph.save
view = dense.DenseView(folder, DIM)
view.apply(make_batch(1, [(label, label % 8) for label in range(2000)]))
view.save()
before = {path.name for path in folder.iterdir()}
view.apply(make_batch(2, [(label, 0) for label in range(2000, 4000)]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def without_room(graph, path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        save(graph, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

VectorGraph.save = without_room
for _ in range(2):
    try:
        view.save()
    except OutageError as error:
        assert "free the disk" in str(error)
    else:
        raise AssertionError("a graph that was cut short was taken for a whole one")
    assert {path.name for path in folder.iterdir()} == before, "what was begun is not left behind"
if sys.argv[3] == "saved":
    VectorGraph.save = save
    view.save()
view.close()
"""


@pytest.mark.parametrize("room", [0, 1, 100_000])
@pytest.mark.parametrize(("then", "seq", "count"), [("killed", 1, 2000), ("saved", 2, 4000)])
def test_a_graph_that_the_disk_cuts_short_is_no_snapshot(
    tmp_path: Path, room: int, then: str, seq: int, count: int
) -> None:
    command = [sys.executable, "-c", GRAPH_CUT_SHORT, str(tmp_path), str(room), then]
    subprocess.run(command, check=True, timeout=60)
    view = DenseView(tmp_path, DIM)
    assert (view.seq, len(view)) == (seq, count)
    view.close()


@pytest.mark.parametrize("moment", ["begun", "taken over"])
def test_a_compaction_without_room_leaves_the_view_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The batch that meets it is applied, and a later write compacts."""

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dense, "MIN_DEAD", 4)
    view = DenseView(tmp_path, DIM)
    view.apply(make_batch(1, [(label, label % 8) for label in range(100)]))
    view.save()
    files = {path.name for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        if moment == "begun":
            patch.setattr("retrieval.dense.compaction.VectorFile", refuse)
        view.apply(make_batch(2, [], range(8, 58)))
        if moment == "taken over":
            compaction = view._compaction
            assert compaction is not None
            compaction._thread.join()
            view._compaction = None  # held back, so that there is something to bring after it
            patch.setattr(dense, "DEAD_SHARE", 1.0)
            view.apply(make_batch(3, [(200, 0)]))
            view._compaction = compaction
            patch.setattr("retrieval.dense.vector_file.os.pwrite", refuse)
        view.apply(make_batch(4, [], [0]))
    assert (view.seq, view._state.count) == (4, 101 if moment == "taken over" else 100), "nothing was rewritten"
    assert view.search(topic_vector(1), 2).labels.tolist() == [1, 58 + 7]
    assert {path.name for path in tmp_path.iterdir()} == files, "what was begun is not left behind"
    view.apply(make_batch(5, [(300, 1)]))
    view.wait_compacted()
    assert view._state.count == len(view._state.live) == len(view)
    found = view.search(topic_vector(1), 100)
    assert found.labels[np.asarray(found.scores) > 0.9].tolist() == [1, 65, 73, 81, 89, 97, 300]
    view.close()
