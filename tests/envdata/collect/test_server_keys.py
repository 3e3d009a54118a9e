"""A key is sent to no host that it is not for."""

import pytest

from envdata.collect.server_keys import ANTHROPIC_KEY, NO_KEY, ServerKey, fallback_keys, judge_key, server_key

OPENAI, ANTHROPIC, OWN = "sk-proj-1234T3BlbkFJ5678", "sk-ant-api03-12345678", "token-of-my-server"
OPENAI_URL, ANTHROPIC_URL = "https://api.openai.com/v1", "https://api.anthropic.com"
LOCAL, OTHER = "http://127.0.0.1:8000/v1", "https://models.example/v1"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for api in ("OPENAI", "ANTHROPIC"):
        monkeypatch.delenv(f"{api}_API_KEY", raising=False)
        monkeypatch.delenv(f"{api}_BASE_URL", raising=False)
    for name in ("SERVER", "FALLBACK", "JUDGE"):
        monkeypatch.delenv(f"AUTOTTS_{name}_KEY", raising=False)


@pytest.mark.parametrize(
    ("url", "environment", "sent"),
    [
        (OPENAI_URL, {"OPENAI_API_KEY": OPENAI}, OPENAI),
        ("https://eu.api.openai.com/v1", {"OPENAI_API_KEY": OPENAI}, OPENAI),
        (LOCAL, {"OPENAI_API_KEY": OPENAI}, NO_KEY),
        ("https://openai.com.evil.example/v1", {"OPENAI_API_KEY": OPENAI}, NO_KEY),
        ("https://evilopenai.com/v1", {"OPENAI_API_KEY": OPENAI}, NO_KEY),
        ("https://api.openai.com@evil.example/v1", {"OPENAI_API_KEY": OPENAI}, NO_KEY),
        (LOCAL, {"OPENAI_API_KEY": "sk-" + "a" * 20 + "T3BlbkFJ" + "a" * 20}, NO_KEY),
        (LOCAL, {"OPENAI_API_KEY": ANTHROPIC}, NO_KEY),
        (ANTHROPIC_URL, {"OPENAI_API_KEY": ANTHROPIC}, ANTHROPIC),
        (LOCAL, {"OPENAI_API_KEY": OWN}, OWN),
        (LOCAL, {"OPENAI_API_KEY": OPENAI, "AUTOTTS_SERVER_KEY": OWN}, OWN),
        (OTHER, {"AUTOTTS_SERVER_KEY": OPENAI}, OPENAI),
        (OTHER, {"OPENAI_API_KEY": OPENAI, "OPENAI_BASE_URL": "https://models.example/openai"}, OPENAI),
        (LOCAL, {}, NO_KEY),
    ],
)
def test_a_providers_key_goes_to_the_provider(
    url: str, environment: dict[str, str], sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    key = server_key(url)
    assert key.value == sent
    assert "AUTOTTS_SERVER_KEY" in key.advice
    assert not any(value in repr(key) for value in environment.values() if value.startswith("sk-"))


def test_anthropics_key_goes_to_anthropic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", ANTHROPIC)
    assert server_key(ANTHROPIC_URL, ANTHROPIC_KEY).value == ANTHROPIC
    withheld = server_key(OTHER, ANTHROPIC_KEY)
    assert withheld.value == NO_KEY
    assert "ANTHROPIC_API_KEY is not for models.example and was not sent: set AUTOTTS_SERVER_KEY" in withheld.advice


def test_fallbacks_get_the_servers_key_where_neither_is_a_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(server: str, key: str, *urls: str) -> list[str]:
        return [each.value for each in fallback_keys(urls, server, ServerKey(key)).values()]

    assert sent(LOCAL, OWN, OTHER, "http://127.0.0.1:8001/v1", OPENAI_URL) == [OWN, OWN, NO_KEY]
    assert sent(OPENAI_URL, OPENAI, "https://eu.api.openai.com/v1", OTHER) == [NO_KEY, NO_KEY]
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    assert sent(OPENAI_URL, OPENAI, "https://eu.api.openai.com/v1", OTHER) == [OPENAI, NO_KEY]
    assert sent(LOCAL, NO_KEY, OTHER, OPENAI_URL) == [NO_KEY, OPENAI]
    monkeypatch.setenv("AUTOTTS_FALLBACK_KEY", "another-key")
    assert sent(OPENAI_URL, OPENAI, OTHER) == ["another-key"]


def test_a_judge_elsewhere_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OWN)
    assert judge_key("http://127.0.0.1:8001/v1", LOCAL).value == OWN
    for server in (LOCAL, None):
        withheld = judge_key(OTHER, server)
        assert withheld.value == NO_KEY
        assert "set AUTOTTS_JUDGE_KEY" in withheld.advice
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    assert judge_key("http://127.0.0.1:8001/v1", LOCAL).value == NO_KEY
    assert judge_key(OPENAI_URL, LOCAL).value == OPENAI
    monkeypatch.setenv("OPENAI_BASE_URL", OTHER)
    assert judge_key(OTHER, LOCAL).value == OPENAI
    monkeypatch.setenv("AUTOTTS_JUDGE_KEY", "another-key")
    assert judge_key(OPENAI_URL, LOCAL).value == "another-key"


def test_a_key_that_a_server_quotes_is_hidden() -> None:
    assert ServerKey(OWN).hidden_in(f"Incorrect API key: {OWN}") == "Incorrect API key: [key]"
    assert ServerKey().hidden_in("there is none") == "there is none"
