"""Logins of coding agents with a subscription, where no key is set: their tokens go to the model proxy alone.

Claude Code's is the token that `claude setup-token` prints, in CLAUDE_CODE_OAUTH_TOKEN. Codex's is the access token
that `codex login` keeps in `auth.json`, in CODEX_HOME or else `~/.codex`. Neither is renewed here; the programs renew
them.
"""

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envdata.text_files import TextFileError, read_text
from graph.explorers.base import ExplorerError
from graph.explorers.models.connection_settings import service_key

CLAUDE_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105 - the name of a variable
CLAUDE_FEATURE = "oauth-2025-04-20"
"""Beta feature with which Anthropic's Messages API takes such a token."""
CODEX_URL = "https://chatgpt.com/backend-api/codex"
"""Base address of the service that Codex speaks to with a ChatGPT login."""


@dataclass(frozen=True)
class Login:
    """A subscription: calls are not billed one by one, and have no price."""

    headers: Mapping[str, str] = field(repr=False)
    """With the token."""
    base_url: str
    features: tuple[str, ...] = ()
    """Values that `anthropic-beta` needs for the token."""


def claude_login() -> Login | None:
    """Return the login of Claude Code; None if there is none, or ANTHROPIC_API_KEY is set. Raises ExplorerError."""
    token = service_key(CLAUDE_TOKEN)
    if os.environ.get("ANTHROPIC_API_KEY") or not token:
        return None
    base = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    return Login({"authorization": f"Bearer {token}"}, base, (CLAUDE_FEATURE,))


def codex_login(base_url: str | None) -> Login | None:
    """Return the login of Codex; None if there is none, OPENAI_API_KEY is set, or a service of the user's is used.

    Args:
        base_url: The run's `--base-url`.

    Raises:
        ExplorerError: The file cannot be read, or its token has expired.
    """
    if os.environ.get("OPENAI_API_KEY") or base_url or os.environ.get("OPENAI_BASE_URL"):
        return None
    path = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "auth.json"
    try:
        read = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, TextFileError, ValueError) as error:
        raise ExplorerError(
            f"{path} cannot be read ({type(error).__name__}); log in again with `codex login`"
        ) from None
    tokens = read.get("tokens") if isinstance(read, dict) else None
    if not isinstance(tokens, dict) or not isinstance(tokens.get("access_token"), str):
        return None
    token = _checked(tokens["access_token"], path)
    expires = _claims(token).get("exp")
    if isinstance(expires, int | float) and expires <= time.time():
        raise ExplorerError(f"the token in {path} has expired; use codex once, which renews it, or `codex login`")
    headers = {"authorization": f"Bearer {token}"}
    if isinstance(tokens.get("account_id"), str):
        headers["chatgpt-account-id"] = _checked(tokens["account_id"], path)
    return Login(headers, CODEX_URL)


def _checked(token: str, path: Path) -> str:
    """Return a token that was read from a file. Raises ExplorerError if no header can hold it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ExplorerError(f"{path} holds a token with characters that none has; log in again with `codex login`")
    return token


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token, whose signature is the service's to check; empty for any other token."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
