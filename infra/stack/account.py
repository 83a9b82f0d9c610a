"""Who the servers run as: the caller, or a system user of their own where the caller is root, whom they refuse."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import MissingProgramError, StackError

SYSTEM_USER = "autoglm-kb"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that own the servers' data; `prefix` starts a command that runs as them."""

    name: str
    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def own(self, path: Path, mode: int) -> Path:
        """Give one path to the account, with these permissions."""
        os.chown(path, self.uid, self.gid)
        path.chmod(mode)
        return path

    def folder(self, path: Path) -> Path:
        """A folder that belongs to the account, made where it is missing."""
        path.mkdir(parents=True, exist_ok=True)
        return self.own(path, PRIVATE_FOLDER)

    def write(self, path: Path, text: str) -> Path:
        """A file that only the account reads; its content is never readable by others, not for a moment."""
        path.touch(PRIVATE_FILE)
        self.own(path, PRIVATE_FILE)
        path.write_text(text, encoding="utf-8")
        return path


def find_account() -> Account:
    """The caller's account; for root a system user, made at the first call. Raises `MissingProgramError`."""
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise MissingProgramError("as root the servers run as another user, and `setpriv` (util-linux) is not there")
    entry = _system_user()
    prefix = (setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--no-new-privs", "--")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, prefix)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    try:
        return pwd.getpwnam(SYSTEM_USER)  # also where another process made it meanwhile
    except KeyError:
        raise StackError(
            f"PostgreSQL and Elasticsearch refuse to run as root, and the system user {SYSTEM_USER} could not be made "
            f"({made.stderr.strip()}); make it, or run `kb stack up` as a user that is not root"
        ) from None


def require_reachable(folder: Path, account: Account) -> None:
    """Raises `StackError` where the account may not enter the folder's parents."""
    if not account.prefix:
        return
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            raise StackError(
                f"the servers run as {account.name}, who may not enter {parent} on the way to {folder}; "
                "choose another place with --folder, for example --folder /var/lib/autoglm-kb"
            )
