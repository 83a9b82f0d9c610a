"""What a stack remembers, which Java it takes, and which servers a name brings."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.commands.stack import app
from infra.stack.account import Account, require_reachable
from infra.stack.errors import MissingProgramError, StackError
from infra.stack.java import find_java, inspect
from infra.stack.servers.elasticsearch import hashed
from infra.stack.servers.kafka import cluster_id
from infra.stack.servers.table import SERVERS, with_needs
from infra.stack.site import LOOPBACK, Site, is_free, link_tree
from infra.stack.stack import Stack

WHOLE = "java.base jdk.jlink jdk.incubator.vector"


def test_ports_and_passwords_outlive_the_process_and_are_private(tmp_path: Path) -> None:
    site = Site.open(tmp_path)
    site.take_ports(["a", "b"])
    password = site.password("a")
    site.save()
    again = Site.open(tmp_path)
    assert again == site
    assert again.take_ports(["a", "b"]) == {}
    assert again.password("a") == password != again.password("b")
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


def test_a_taken_port_moves_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.stack.site.CLOSING_SECONDS", 0.1)
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        site = Site(tmp_path, ports={"a": port})
        assert not is_free(port)
        assert site.take_ports(["a"]) == {"a": port}
    assert site.ports["a"] != port


def test_only_servers_that_were_started_have_an_address(tmp_path: Path) -> None:
    """A setting that named port 0 would send jobs to a Redis that nobody started."""
    assert Stack(tmp_path).env() == {}
    assert {one.url for one in Stack(tmp_path).status().values()} == {""}
    site = Site.open(tmp_path)
    site.take_ports(SERVERS["postgres"].ports)
    site.password("postgres")
    site.save()
    port = site.ports["postgres"]
    started = Stack(tmp_path)
    assert list(started.env()) == ["KB_CATALOG_URL"] and f":{port}/" in started.env()["KB_CATALOG_URL"]
    assert {name for name, one in started.status().items() if one.url} == {"postgres"}


def test_env_of_a_stack_that_never_ran_says_what_to_do(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["env", "--folder", str(tmp_path)])
    assert (asked.exit_code, asked.stdout) == (3, "") and "kb stack up" in asked.stderr
    back = CliRunner().invoke(app, ["env", "--unset", "--folder", str(tmp_path)])
    assert back.exit_code == 0 and "unset KB_REDIS_URL" in back.stdout


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_an_unreadable_memory_is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(StackError, match=r"stack\.json cannot be read.*--purge"):
        Site.open(tmp_path)


def test_a_place_that_cannot_be_one_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"file/stack\.json cannot be read \(Not a directory\); .*--folder"):
        Stack(tmp_path / "file").status()
    with pytest.raises(StackError, match=r"folder \S+/file/in cannot be used \(Not a directory\); .*--folder"):
        Stack(tmp_path / "file/in").up(["redis"])


def test_nothing_is_made_by_asking(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "absent")
    assert {one.ready for one in stack.status().values()} == {False}
    assert stack.down() == []
    stack.purge()
    assert not stack.folder.exists()


def test_a_folder_that_is_no_stacks_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"holds no stack\.json"):
        Stack(tmp_path).purge()


def test_names_bring_their_needs_first() -> None:
    assert [server.name for server in with_needs(["connect", "kafka"])] == ["kafka", "connect"]
    with pytest.raises(StackError, match="no server 'mysql'; the stack has postgres, mariadb"):
        with_needs(["mysql"])


def test_all_servers_come_after_what_they_need() -> None:
    names = [server.name for server in with_needs(SERVERS)]
    assert sorted(names) == sorted(SERVERS)
    for server in SERVERS.values():
        for need in server.needs:
            assert names.index(need) < names.index(server.name)


def test_no_two_servers_share_a_port_name() -> None:
    names = [port for server in SERVERS.values() for port in server.ports]
    assert len(names) == len(set(names))


def java_home(folder: Path, version: str, modules: str = "java.base") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/java").touch(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_a_whole_and_new_java_is_taken_before_a_newer_reduced_one(tmp_path: Path) -> None:
    old = java_home(tmp_path / "17", "17.0.15", WHOLE)
    reduced = java_home(tmp_path / "26", "26", "java.base jdk.jlink")
    whole = java_home(tmp_path / "21", "21.0.3", WHOLE)
    chosen = find_java([old, reduced, whole])
    assert chosen.home == whole and chosen.runs_elasticsearch_9
    fallback = find_java([old, reduced])
    assert fallback.home == reduced and not fallback.runs_elasticsearch_9


def test_without_a_java_the_found_ones_and_the_remedy_are_named(tmp_path: Path) -> None:
    eleven = java_home(tmp_path / "11", "11.0.2")
    with pytest.raises(MissingProgramError, match=r"found 11 in .*debian\.sh servers"):
        find_java([eleven, tmp_path / "absent"])
    assert inspect(tmp_path) is None


def test_a_secret_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    account = Account("me", os.geteuid(), os.getegid())
    path = account.write(tmp_path / "secret", "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(account.folder(tmp_path / "folder").stat().st_mode) == 0o700


def test_a_folder_that_the_servers_user_cannot_enter_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    require_reachable(closed / "stack", Account("me", 1, 1))
    with pytest.raises(StackError, match="as other, who may not enter .*closed on the way.*--folder"):
        require_reachable(closed / "stack", Account("other", 1, 1, prefix=("setpriv",)))


def test_a_linked_tree_is_whole_and_costs_no_space(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin/run").write_text("x")
    (source / "bin/run").chmod(0o755)
    target = link_tree(source, tmp_path / "target")
    assert (target / "bin/run").samefile(source / "bin/run")
    (source / "later").touch()
    assert link_tree(source, target) == target
    assert not (target / "later").exists()


def test_secrets_have_the_shapes_that_the_servers_read() -> None:
    assert len(base64.urlsafe_b64decode(cluster_id() + "==")) == 16
    head, salt, digest = hashed("secret").split("$")
    assert head == "{PBKDF2}10000"
    again = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), 10_000, dklen=32)
    assert base64.b64decode(digest) == again


def test_no_cluster_id_looks_like_an_option() -> None:
    drawn = iter([b"\xf8" + bytes(15), b"\xfb" + bytes(15), b"\xfc" + bytes(15)])
    assert cluster_id(lambda: next(drawn)) == "_" + "A" * 21
