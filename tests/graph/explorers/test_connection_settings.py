"""Keys, proxies, certificates and addresses that cannot be used: told by name before a run begins, and never quoted."""

import ssl
from pathlib import Path

import httpx2
import pytest

from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.models.connection_settings import check_connection, proxy_variable, service_key
from graph.explorers.models.http_errors import ModelService, connection_error
from graph.explorers.registry import make_explorer
from graph.run.settings import RunSettings
from tests.graph.running import here

SERVICE = ModelService("OpenAI", "OPENAI_API_KEY", "m")
CERTIFICATE = Path(ssl.get_default_verify_paths().cafile or "")
PROXIES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *PROXIES, *map(str.upper, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OPENAI_API_BASE",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sound-key-1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-sound-key-2")


def made(spec: str) -> None:
    make_explorer(spec, ExplorerContext(RunSettings(grids=("g",), heldout=(), explorers=(spec,))))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sk-secret-1\n", "line end"), ("sk-secret-1\r\n", "line end"), ("\nsk-secret-1", "line end"),
        ("sk-sec\nret-1", "line end"), (" sk-secret-1", "a space"), ("sk-secret-1 ", "a space"),
        ("sk-secret-1\t", "a space"), ("sk-secret\u00a01", "a space"), ("“sk-secret-1”", "quotation mark"),
        ('"sk-secret-1"', "quotation mark"), ("'sk-secret-1'", "quotation mark"), ("sk-secret-1”", "quotation mark"),
        ("sk-sec’ret-1", "typographic quote"), ("sk-secret-1…", "beyond ASCII"), ("\ufeffsk-secret-1", "beyond ASCII"),
        ("sk-secret-1\u200b", "beyond ASCII"), ("sk-secret-1\x1b[0m", "control character"),
        ("  ", "nothing but spaces"), ("Bearer sk-secret-1", "a space"), ("sk-secret-\udc80", "beyond ASCII"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_sent_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, says: str
) -> None:
    for spec, variable in (
        ("openai:m", "OPENAI_API_KEY"), ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("langchain:mistralai:m", "MISTRAL_API_KEY"), ("openai:m", "OPENAI_ORG_ID"),
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setenv(variable, value)
            with pytest.raises(ExplorerError) as error:
                made(spec)
        assert variable in str(error.value)
        assert says in str(error.value)
        assert "sec" not in str(error.value)


def test_keys_that_can_be_sent_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("sk-proj_A.b-c/d+e=", "none", "x'y", "{k}"):
        monkeypatch.setenv("OPENAI_API_KEY", value)
        assert service_key("OPENAI_API_KEY") == value
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert service_key("OPENAI_API_KEY") is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTP_PROXY", "ftp://proxy:3128"), ("HTTPS_PROXY", "socks4://proxy:1080"), ("ALL_PROXY", "proxy:port"),
        ("https_proxy", "http://proxy:99999999"), ("all_proxy", "“http://proxy:3128”"), ("HTTP_PROXY", "http://"),
        ("HTTPS_PROXY", "http://pro xy:3128"), ("HTTPS_PROXY", "http://proxy:3128\n"), ("ALL_PROXY", "http://[::1"),
        ("http_proxy", "http://http://proxy:3128"), ("HTTPS_PROXY", "'http://proxy:3128'"),
        ("HTTPS_PROXY", "://proxy"), ("HTTP_PROXY", "http://user:pass-secret@:3128"), ("ALL_PROXY", "proxy:0"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"), ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"),
        ("CURL_CA_BUNDLE", "/nowhere/ca.pem"), ("SSL_CERT_FILE", __file__), ("SSL_CERT_DIR", "/nowhere/certs"),
        ("OPENAI_BASE_URL", "localhost:8000/v1"), ("OPENAI_BASE_URL", "http://“x”/v1\n"),
        ("OPENAI_BASE_URL", "http://h:port/v1"), ("OPENAI_BASE_URL", "htp://host/v1"), ("OPENAI_BASE_URL", "http:///v1"),
    ],
)  # fmt: skip
def test_a_proxy_a_certificate_and_an_address_are_told_by_their_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ExplorerError, match=f"^{variable} cannot be used") as error:
        made("openai:m")
    assert "pass-secret" not in str(error.value)


def test_settings_that_can_be_used_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, value in {
        "HTTP_PROXY": "proxy:3128", "HTTPS_PROXY": "http://user:p%40ss@proxy:3128", "all_proxy": "http://[::1]:3128/",
        "NO_PROXY": "localhost,127.0.0.1,::1,*.internal,10.0.0.0/8,http://h", "SSL_CERT_DIR": str(tmp_path),
        "REQUESTS_CA_BUNDLE": str(tmp_path), "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    if CERTIFICATE.is_file():
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    check_connection("openai")
    assert proxy_variable("https://service") == "HTTPS_PROXY"
    assert proxy_variable("http://localhost:8000") is None
    # A proxy of the same scheme in small letters comes first.
    monkeypatch.setenv("HTTPS_PROXY", "ftp://x")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    check_connection("openai")


def test_explorers_without_a_service_need_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://x")
    monkeypatch.setenv("OPENAI_API_KEY", "x\n")
    made("evolution")


def test_the_command_tells_it_before_it_plays_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1\n")
    out = tmp_path / "run"
    told = here(capsys, "discover", "--grid", "bundled", "--explorer", "openai:m", "--out", out, code=1)
    assert "OPENAI_API_KEY cannot be used as a key: it holds a line end" in told.err
    assert "secret" not in told.err + told.out
    assert not out.exists()


@pytest.mark.parametrize(
    "error",
    [
        httpx2.LocalProtocolError("Illegal header value b'Bearer sk-sec'"),
        httpx2.UnsupportedProtocol("Request URL is missing a protocol"),
        UnicodeEncodeError("ascii", "sk-sec”", 6, 7, "ordinal not in range(128)"),
        FileNotFoundError(2, "No such file"),
        ImportError("socksio"),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
    ],
)
def test_what_only_a_setting_can_cause_is_neither_retried_nor_billed(error: Exception) -> None:
    outer = httpx2.ConnectError("failed")
    outer.__cause__ = error
    failed = connection_error(outer, SERVICE, raw="")
    assert (failed.transient, failed.billed) == (False, False)
    assert "sk-sec" not in str(failed)


def test_a_connection_that_is_refused_may_succeed_later() -> None:
    failed = connection_error(httpx2.ConnectError("refused"), SERVICE, raw="")
    assert (failed.transient, failed.billed) == (True, False)
    failed = connection_error(httpx2.ProxyError("407"), SERVICE, raw="")
    assert failed.billed is False
