"""Checks of Host and Origin: a request has to name the server as it is known, and come from no page of another origin.

A browser lets any page send requests to this machine, and a page may point a name of its own at it (DNS rebinding);
what the browser cannot be made to change are the headers Host and Origin.
"""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Access:
    """ASGI middleware that answers 403 to requests with another Host or Origin, before their body is read."""

    def __init__(
        self,
        application: ASGIApp,
        names: tuple[str, ...],
        refusal: Callable[[str], Response],
        hint: str = "",
        origins: tuple[str, ...] = (),
    ) -> None:
        """`names` are hosts without a port, allowed besides the address that a request came in at.

        `refusal` makes the response from the reason; `hint` ends the reason where the Host is the matter. `origins` are
        allowed besides the server's own, such as https://pages.example.
        """
        self._application, self._names = application, {name.lower() for name in names}
        self._origins = frozenset(origins)
        self._refusal, self._hint = refusal, hint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        why = self._why_refused(scope) if scope["type"] == "http" else None
        await (self._application if why is None else self._refusal(why))(scope, receive, send)

    def _why_refused(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        name = _name_in(hosts[0]) if len(hosts) == 1 else ""
        if name not in self._names and not _is_address(name, scope.get("server")):
            names = ", ".join(sorted(self._names))
            return f"the Host {name[:80]!r} is none of this server's names: {names}{self._hint}"
        if any(urlsplit(f"{origin}/").netloc != hosts[0] and origin not in self._origins for origin in origins):
            return "pages of other origins may not ask this server"
        return None


def _name_in(host: str) -> str:
    """The name or address in a Host header; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str, server: tuple[str, int | None] | None) -> bool:
    """Whether a name is the very address that the connection came in at, which no name server decides on."""
    try:
        return server is not None and ipaddress.ip_address(name) == ipaddress.ip_address(server[0])
    except ValueError:
        return False
