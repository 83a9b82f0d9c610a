"""Secrets at rest: encrypted with a key that is kept apart from the catalog (Fernet: AES-128-CBC with HMAC-SHA256)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from infra.settings import Settings, SettingsError

KEY_FILE = "secret.key"  # in the data folder, where no key is set
KEY_MODE = 0o600
MIN_KEY_LENGTH = 32  # characters; `openssl rand -base64 32` gives 44
AT_REST = b"autoglm-kb secrets at rest, v1"
CONSOLE_SESSIONS = b"autoglm-kb console sessions, v1"
CONSOLE_LOGINS = b"autoglm-kb console logins, v1"


class SecretBox:
    """Encrypts with the first key and decrypts with any, so that a new key can be put in front of the old one.

    A key is any text of at least 32 characters. What was encrypted for one purpose cannot be passed off as another's.
    """

    def __init__(self, keys: Sequence[str], origin: str, purpose: bytes = AT_REST) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        for key in keys:
            if len(key) < MIN_KEY_LENGTH:
                raise SettingsError(
                    f"the key of {origin} has {len(key)} characters, expected at least {MIN_KEY_LENGTH}; "
                    "make one by `openssl rand -base64 32`"
                )
        self._origin = origin
        self._fernet = MultiFernet([Fernet(_derived(key, purpose)) for key in keys])

    @classmethod
    def of(cls, settings: Settings, purpose: bytes = AT_REST) -> SecretBox:
        """With the keys of KB_SECRET_KEY (commas between them), else of a file in the data folder, made at first use.

        Raises `SettingsError` for a key that is too short or a file that cannot be read.
        """
        given = [key.strip() for key in settings.secret_key.get_secret_value().split(",") if key.strip()]
        if given:
            return cls(given, "setting secret_key (KB_SECRET_KEY)", purpose)
        path = settings.data_dir / KEY_FILE
        return cls([_read_or_make(path)], str(path), purpose)

    def encrypt(self, secret: str) -> bytes:
        """The secret as it may be stored."""
        return self._fernet.encrypt(secret.encode())

    def opened(self, stored: bytes) -> str | None:
        """The secret; None where it was not encrypted here, for the same purpose and with a key that is known."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(stored).decode()
        except InvalidToken:
            return None

    def decrypt(self, stored: bytes, what: str) -> str:
        """The secret; `what` names it in messages. Raises `SettingsError` where another key encrypted it."""
        secret = self.opened(stored)
        if secret is None:
            raise SettingsError(
                f"{what} was encrypted with another key than that of {self._origin}; "
                "every process of a cluster needs the same KB_SECRET_KEY: set the one that was used, or set the "
                "password again (PATCH /v1/sources/NAME with the whole url)"
            )
        return secret


def _derived(key: str, purpose: bytes) -> bytes:
    """32 bytes of a text of any length, as Fernet takes them."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
    return base64.urlsafe_b64encode(derived)


def _read_or_make(path: Path) -> str:
    """The key file's text. It appears whole, for its owner only, and never replaces one that is there."""
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"key file {path} cannot be used ({error}); mend it, or set KB_SECRET_KEY") from error
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"key file {path} can be read by others; run: chmod 600 {path}")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)  # fails where another process was first
    except FileExistsError:
        pass
    finally:
        partial.unlink()
