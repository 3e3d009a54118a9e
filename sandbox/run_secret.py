"""The secret of a run: a file of random bytes that seeds everything random that a controller can see.

With seeds made from public values (a seed of 0, a question's text) a controller could find its question and branch
order by trying them out. With a secret that only the host holds it cannot; the same file gives the same results again.
"""

import os
import secrets
from pathlib import Path

from envdata.atomic import create_bytes
from envdata.errors import UserError

SECRET_BYTES = 32
"""Length of a secret in bytes."""


class SecretError(UserError, ValueError):
    """A file holds no secret, or cannot be read or made; the message names it."""


def new_secret() -> bytes:
    """Return a new secret of `SECRET_BYTES` random bytes."""
    return secrets.token_bytes(SECRET_BYTES)


def load_secret(path: Path) -> bytes:
    """Return the secret in a file; if the file is absent, it is made with a new secret.

    Raises SecretError if the file cannot be read or made, or holds anything but `SECRET_BYTES` bytes in hexadecimal.
    """
    if not os.path.lexists(path):
        try:
            create_bytes(path, f"{new_secret().hex()}\n".encode("ascii"), mode=0o600)
        except FileExistsError:
            # Another process made it meanwhile; its secret is the one.
            pass
        except OSError as error:
            raise SecretError(f"{path}: no secret can be written there ({error.strerror})") from None
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(4 * SECRET_BYTES)
        secret = bytes.fromhex(text.decode("ascii"))
    except OSError as error:
        raise SecretError(f"{path}: the secret cannot be read ({error.strerror})") from None
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise SecretError(
            f"{path} holds no secret: {SECRET_BYTES} bytes in hexadecimal; give another file, or a new one"
        )
    return secret
