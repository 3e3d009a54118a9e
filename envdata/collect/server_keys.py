"""The key that a model's server is sent: never one that is for another host.

A server's key is in a variable of its own (AUTOTTS_SERVER_KEY, AUTOTTS_FALLBACK_KEY, AUTOTTS_JUDGE_KEY), else in the
variable that the SDKs of its API read, OPENAI_API_KEY or ANTHROPIC_API_KEY. Many people have a provider's own key in
the latter at all times, whichever server they name. So a key that is a provider's by its form goes to that provider's
hosts and to the host that OPENAI_BASE_URL or ANTHROPIC_BASE_URL names, and to no other.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

OPENAI_KEY, ANTHROPIC_KEY = "OPENAI_API_KEY", "ANTHROPIC_API_KEY"
SERVER_KEY, FALLBACK_KEY, JUDGE_KEY = "AUTOTTS_SERVER_KEY", "AUTOTTS_FALLBACK_KEY", "AUTOTTS_JUDGE_KEY"
KEY_VARIABLES = (SERVER_KEY, FALLBACK_KEY, JUDGE_KEY)
"""Variables with the key of one server, whatever its form."""

NO_KEY = "none"
"""Sent where there is no key: the SDKs require one, and servers without keys read none."""

_HOSTS = {OPENAI_KEY: "openai.com", ANTHROPIC_KEY: "anthropic.com"}
"""The provider's own domain, by the variable with its key."""
_ADDRESSES = {OPENAI_KEY: "OPENAI_BASE_URL", ANTHROPIC_KEY: "ANTHROPIC_BASE_URL"}
_FORMS = {
    "openai.com": re.compile(r"sk-(proj|svcacct|admin)-|sk-.*T3BlbkFJ"),
    "anthropic.com": re.compile(r"sk-ant-"),
}
"""How the keys of a provider look, by its domain. All keys of OpenAI's have T3BlbkFJ in them, which is "OpenAI"."""
SHORTEST_HIDDEN = 8
"""Characters of a key that is hidden in texts; shorter ones occur in ordinary words."""


@dataclass(frozen=True)
class ServerKey:
    """The key of one server."""

    value: str = field(default=NO_KEY, repr=False)
    advice: str = ""
    """The way out if the server refuses the key, for the end of an error's message."""

    def hidden_in(self, text: str) -> str:
        """Return a text of the server's without the key, which some servers quote."""
        return text.replace(self.value, "[key]") if len(self.value) >= SHORTEST_HIDDEN else text


def server_key(url: str, variable: str = OPENAI_KEY, *, own: str = SERVER_KEY) -> ServerKey:
    """Return the key of the server at an address.

    Args:
        url: The server's address.
        variable: The variable of its API's SDKs, which is read where `own` is unset.
        own: The variable with the key of this server.
    """
    if key := os.environ.get(own):
        return ServerKey(key, f"; {own} has another key than this server's")
    key = os.environ.get(variable)
    if not key:
        return ServerKey(NO_KEY, f"; set {own} to the key of {_host(url)}")
    if not _may_have(url, key, variable):
        return _withheld(url, variable, own)
    return ServerKey(key, f"; it is that of {variable}: set {own} to the key of {_host(url)}")


def fallback_key(url: str, server: str, key: ServerKey) -> ServerKey:
    """Return the key of a fallback: AUTOTTS_FALLBACK_KEY, else the server's, where neither host is a provider's own.

    Args:
        url: The fallback's address.
        server: The server's address.
        key: The server's key.
    """
    if own := os.environ.get(FALLBACK_KEY):
        return ServerKey(own, f"; {FALLBACK_KEY} has another key than this server's")
    elsewhere, openai = _host(url) != _host(server), _HOSTS[OPENAI_KEY]
    if key.value == NO_KEY or (elsewhere and _is_at(url, openai)):
        return server_key(url, own=FALLBACK_KEY)
    if elsewhere and (_is_at(server, openai) or not _may_have(url, key.value, OPENAI_KEY)):
        return ServerKey(
            NO_KEY, f"; the key of {_host(server)} was not sent: set {FALLBACK_KEY} to that of {_host(url)}"
        )
    return ServerKey(key.value, f"; it is that of {_host(server)}: set {FALLBACK_KEY} to that of {_host(url)}")


def fallback_keys(urls: Iterable[str], server: str, key: ServerKey) -> dict[str, ServerKey]:
    """Return the keys of fallbacks by their addresses; arguments as of `fallback_key`."""
    return {url: fallback_key(url, server, key) for url in urls}


def judge_key(url: str, server: str | None) -> ServerKey:
    """Return the key of a judge.

    It is AUTOTTS_JUDGE_KEY, else the server's on the same host, else OPENAI_API_KEY at OpenAI's own service and at the
    address of OPENAI_BASE_URL.

    Args:
        url: The judge's address.
        server: Address of the model's server; None without one.
    """
    if key := os.environ.get(JUDGE_KEY):
        return ServerKey(key, f"; {JUDGE_KEY} has another key than the judge's")
    if server is not None and _host(server) == _host(url):
        key = server_key(url).value
        return ServerKey(key, f"; set {JUDGE_KEY} to the judge's key")
    key = os.environ.get(OPENAI_KEY)
    if not key:
        return ServerKey(NO_KEY, f"; set {JUDGE_KEY} to the judge's key")
    known = _is_at(url, _HOSTS[OPENAI_KEY]) or _host(url) == _host(os.environ.get(_ADDRESSES[OPENAI_KEY], ""))
    if not known or not _may_have(url, key, OPENAI_KEY):
        return _withheld(url, OPENAI_KEY, JUDGE_KEY)
    return ServerKey(key, f"; it is that of {OPENAI_KEY}: set {JUDGE_KEY} to the judge's")


def _withheld(url: str, variable: str, own: str) -> ServerKey:
    return ServerKey(
        NO_KEY, f"; {variable} is not for {_host(url)} and was not sent: set {own} to the key of this server"
    )


def _may_have(url: str, key: str, variable: str) -> bool:
    """Return whether a host may have a key: any unless the key is a provider's by its form."""
    owners = [domain for domain, form in _FORMS.items() if form.match(key)]
    named = _host(os.environ.get(_ADDRESSES[variable], ""))
    return not owners or any(_is_at(url, domain) for domain in owners) or bool(named and named == _host(url))


def _is_at(url: str, domain: str) -> bool:
    """Return whether an address is a provider's own."""
    host = _host(url)
    return host == domain or host.endswith(f".{domain}")


def _host(url: str) -> str:
    """Return the host of an address in small letters; empty for a text that is no address."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
