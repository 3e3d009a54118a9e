"""Checks of the environment variables that every connection to a service uses: keys, proxies, certificates, addresses.

A value that cannot be used fails each request in a way that looks like a fault of the network, so that it would be
retried, and be found after the baselines are played. Each is checked when an explorer is made, before a run begins, and
the error names the variable. Values are never quoted: keys are secrets, and proxies' addresses may hold passwords.
"""

import os
import ssl
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from graph.explorers.base import ExplorerError

CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file with the certificates of trusted authorities, or a folder of such files."""
CERTIFICATE_FOLDERS = "SSL_CERT_DIR"
"""Variable that names folders of certificates."""
HEADERS = {
    "anthropic": ("ANTHROPIC_AUTH_TOKEN",),
    "openai": ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
}  # fmt: skip
"""Variables besides the key whose values the SDK of a service sends as headers."""
ADDRESSES = {
    "anthropic": ("ANTHROPIC_BASE_URL",),
    "openai": ("OPENAI_BASE_URL",),
    "langchain": ("OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL"),
}  # fmt: skip
"""Variables with the address of a service, by the name of the explorer."""
_QUOTES = "\"'`“”„‟‘’‚‛«»"
_PROXIES = ("http", "https", "all")


def service_key(variable: str) -> str | None:
    """Return the key that an environment variable holds; None without one.

    Raises:
        ExplorerError: The value cannot be sent as a key.
    """
    value = os.environ.get(variable)
    problem = _key_problem(value) if value else None
    if problem:
        raise ExplorerError(f"{variable} cannot be used as a key: {problem}; set it again: export {variable}=…")
    return value or None


def check_connection(name: str, provider: str = "") -> None:
    """Check the variables that requests of an explorer use, besides its key.

    Args:
        name: The explorer's name in `--explorer`.
        provider: LangChain's name of the provider, whose package reads its key from variables of its own.

    Raises:
        ExplorerError: One of them cannot be used; the message names it.
    """
    for variable in HEADERS.get(name, ()):
        service_key(variable)
    for variable in _keys_of(provider) if provider else ():
        service_key(variable)
    for variable in ADDRESSES.get(name, ()):
        check_address(variable)
    _check_certificates()
    _check_proxies()


def check_address(variable: str) -> None:
    """Raise ExplorerError unless an environment variable is unset or holds an http or https address."""
    value = os.environ.get(variable)
    if value and (problem := _address_problem(value, ("http", "https"))):
        raise ExplorerError(
            f"{variable} cannot be used: {problem}; give an address like http://127.0.0.1:8000/v1, or unset it"
        )


def proxy_variable(url: str) -> str | None:
    """Return the variable that names the proxy for an address; None if requests there use none."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return next((_variable(scheme) for scheme in (parts.scheme, "all") if _proxies().get(scheme)), None)


def _key_problem(value: str) -> str | None:
    if not value.strip():
        return "it holds nothing but spaces"
    if "\n" in value or "\r" in value:
        return "it holds a line end"
    if value != value.strip() or any(each.isspace() for each in value):
        return "it holds a space"
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        return "it begins or ends with a quotation mark, which is no part of a key"
    if not value.isascii():
        return "it holds a character beyond ASCII, such as a typographic quote"
    if not value.isprintable():
        return "it holds a control character"
    return None


def _address_problem(value: str, schemes: tuple[str, ...]) -> str | None:
    if any(each.isspace() for each in value) or not value.isprintable():
        return "it holds a space or a line end"
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        return "it begins or ends with a quotation mark"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return "its host or port is malformed"
    if parts.scheme not in schemes:
        return f"it does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if not parts.hostname or port == 0 or "://" in value[len(parts.scheme) + 3 :]:
        return "its host or port is malformed"
    return None


def _keys_of(provider: str) -> list[str]:
    """Return the variables with keys of a provider, such as MISTRAL_API_KEY for `mistralai`."""
    stem = provider.partition("_")[0].upper()
    stems = {stem, stem.removesuffix("AI") if len(stem) > 5 else stem, provider.upper()}
    stems |= {"GOOGLE": {"GEMINI"}, "HUGGINGFACE": {"HF_"}, "AZURE": {"OPENAI"}}.get(stem, set())
    return sorted(
        name
        for name in os.environ
        if name.startswith(tuple(stems)) and name.endswith(("API_KEY", "API_TOKEN", "TOKEN"))
    )


def _check_proxies() -> None:
    for scheme, value in _proxies().items():
        address = value if "://" in value else f"http://{value}"
        problem = _address_problem(address, ("http", "https", "socks5", "socks5h"))
        if problem is None:
            try:
                # The transport is what needs a package for SOCKS.
                httpx2.HTTPTransport(proxy=httpx2.Proxy(address), verify=False).close()
            except ImportError:
                problem = "SOCKS needs a package that is not installed: pip install socksio"
            except (ValueError, httpx2.InvalidURL):
                problem = "it is no address of a proxy"
        if problem is not None:
            variable = _variable(scheme)
            raise ExplorerError(
                f"{variable} cannot be used as a proxy: {problem}; "
                "give an address like http://127.0.0.1:3128, or unset it"
            )
    try:
        # It sends nothing; loading the certificates would be most of its time.
        httpx2.Client(verify=False).close()
    except (ValueError, httpx2.InvalidURL):
        raise ExplorerError(
            "NO_PROXY cannot be used: it is no list of hosts; give one like localhost,127.0.0.1, or unset it"
        ) from None


def _proxies() -> dict[str, str]:
    """Return the proxies of the environment by scheme, those that a client is made with."""
    found = urllib.request.getproxies()
    return {scheme: found[scheme] for scheme in _PROXIES if found.get(scheme)}


def _variable(scheme: str) -> str:
    """Return the name of the variable that names a scheme's proxy: the one in small letters comes first."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def _check_certificates() -> None:
    # Where all of them name one file, it is loaded once.
    variables = {os.environ.get(variable): variable for variable in reversed(CERTIFICATE_FILES)}
    for value, variable in variables.items():
        if value and (problem := _certificate_problem(value)):
            raise ExplorerError(
                f"{variable} cannot be used: {problem}; give a file with certificates in PEM format, or unset it"
            )
    folders = os.environ.get(CERTIFICATE_FOLDERS)
    if folders and not any(Path(each).is_dir() for each in folders.split(os.pathsep) if each):
        raise ExplorerError(
            f"{CERTIFICATE_FOLDERS} cannot be used: there is no such folder; give one with certificates, or unset it"
        )


def _certificate_problem(value: str) -> str | None:
    path = Path(value)
    try:
        if path.is_dir():
            return None
        if not path.exists():
            return "there is no such file"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except ssl.SSLError:
        return "the file holds no certificate"
    except (OSError, ValueError):
        return "the file cannot be read"
    return None
