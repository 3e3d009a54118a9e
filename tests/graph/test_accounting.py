"""Prices, the ledger over transcripts, statements, and what is settled before a run begins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from graph.accounting.caps import CapReached, Caps
from graph.accounting.ledger import Ledger, spent, unanswered
from graph.accounting.prices import GivenPrice, price_of, worst_cost
from graph.accounting.totals import compute_totals, read_totals
from graph.accounting.usage import Usage
from graph.explorers.base import Brief, Critique, Evidence, Explorer, Proposal
from graph.loop import discovery
from graph.loop.default_caps import DEFAULT_MAX_COST, DEFAULT_MAX_TOKENS, with_default_caps
from graph.run.files import RunError
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder, read_json, write_json
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript


def at(second: float, event: str, of: str = "round-001", **said: Any) -> dict[str, Any]:
    minute, rest = divmod(second, 60)
    return {"at": f"2026-01-01T00:{int(minute):02d}:{rest:09.6f}+00:00", "event": event, "of": of, **said}


def call(second: float, name: str, cost: float | None = 1.0) -> dict[str, Any]:
    return at(second, "call", id=name, worst={"input": 100, "output": 50, "cost": cost})


def reply(second: float, name: str, cost: float | None = 0.25) -> dict[str, Any]:
    usage = {"input": 80, "cached": 10, "written": 0, "output": 20, "thinking": 5}
    return at(second, "reply", id=name, usage=usage, cost=cost)


def failed(second: float, name: str, billed: str) -> dict[str, Any]:
    return at(second, "failed", id=name, billed=billed)


KILLED = [
    at(0, "session", of="round-000"),
    at(0, "node", of="round-000", node="baselines"),
    at(60, "done", of="round-000", node="baselines", episodes=70),
    at(60, "node", node="proposer"),
    call(61, "a"),
    reply(90, "a"),
    call(90, "b"),
    # Killed here, and gone on with an hour later.
    at(3600 - 1, "session", of="round-000"),
    at(3600 - 1, "node", node="proposer"),
    call(3600 - 1, "b"),
    failed(3600 - 1, "b", "no"),
    call(3600 - 1, "b"),
    failed(3600 - 1, "b", "possibly"),
    call(3600 - 1, "b"),
    reply(3600 - 0.5, "b"),
    at(3600 - 0.5, "done", node="proposer", episodes=0),
]


def test_what_was_in_flight_or_broke_off_counts_with_its_worst_case() -> None:
    assert len(unanswered(KILLED)) == 2
    assert spent(KILLED) == (0.5 + 2.0, 200 + 300)


def test_each_role_and_each_of_several_explorers_is_accounted_by_itself() -> None:
    events = [
        at(0, "node", node="proposer"),
        {**call(1, "propose/1/a"), "explorer": "x"},
        {**reply(2, "propose/1/a"), "explorer": "x"},
        at(3, "node", node="historian"),
        {**call(4, "consolidate/1/b"), "explorer": "y"},
        {**reply(5, "consolidate/1/b", None), "explorer": "y"},
    ]
    said = compute_totals(events)
    assert {name: (own["calls"], own["cost"]) for name, own in said["roles"].items()} == {
        "proposer": (1, 0.25), "historian": (1, "unknown"),
    }  # fmt: skip
    assert said["explorers"]["y"]["tokens"]["output"] == 20
    assert (said["explorers"]["x"]["cost"], said["total"]["calls"]) == (0.25, 2)


def test_a_statement_by_round_and_node() -> None:
    said = compute_totals(KILLED)
    assert said["total"]["calls"] == 5
    assert said["total"]["replies"] == 2
    assert said["total"]["failed"] == 2
    assert said["total"]["possibly_billed"] == 2
    assert said["total"]["cost"] == 0.5
    assert said["total"]["possible_cost"] == 2.0
    assert said["total"]["tokens"] == {"input": 160, "cached": 20, "written": 0, "output": 40, "thinking": 10}
    # The hour in which no process ran counts for nothing.
    assert said["total"]["minutes"] == pytest.approx((60 + 30 + 0.5) / 60, abs=1e-3)
    assert said["rounds"]["round-000"]["nodes"]["baselines"]["episodes"] == 70
    assert said["rounds"]["round-001"]["nodes"]["proposer"]["minutes"] == pytest.approx(30.5 / 60, abs=1e-3)


def test_a_cost_that_is_unknown_is_never_0() -> None:
    said = compute_totals([at(0, "node", node="critic"), call(1, "a", None), reply(2, "a", None)])
    assert said["total"]["cost"] == "unknown"
    lost = compute_totals([at(0, "node", node="critic"), call(1, "a", None)])
    assert lost["total"]["possible_cost"] == "unknown"


def test_minutes_are_capped_over_all_processes() -> None:
    Ledger(Caps(), KILLED).check_minutes()
    with pytest.raises(CapReached, match="max_minutes"):
        Ledger(Caps(minutes=1.5), KILLED).check_minutes()


def test_prices() -> None:
    given = price_of("anything", provider=None, url=None, given=(3.0, 15.0))
    assert given == GivenPrice(3.0, 15.0)
    assert given.cost(Usage(input=1_000_000, output=100_000)) == pytest.approx(4.5)
    listed = price_of("claude-sonnet-4-5", provider="anthropic", url=None, given=None)
    assert listed is not None
    # $3 in, $0.30 cached, $3.75 written, $15 out, a million tokens.
    usage = Usage(input=100_000, cached=50_000, written=10_000, output=10_000)
    assert listed.cost(usage) == pytest.approx((0.4 * 3 + 0.5 * 0.3 + 0.1 * 3.75 + 1.5) / 10, rel=0.01)
    assert worst_cost(listed, 100_000, 0) == pytest.approx(0.375, rel=0.01)
    assert price_of("no-such-model", provider="openai", url=None, given=None) is None
    assert price_of("gemma", provider=None, url="http://127.0.0.1:8000/v1", given=None) is None
    routed = price_of("openai/gpt-5", provider=None, url="https://openrouter.ai/api/v1", given=None)
    assert routed is not None


def settings(spec: str, **more: Any) -> RunSettings:
    return RunSettings(grids=("g",), heldout=(), explorers=(spec,), **more)


@pytest.mark.parametrize(
    ("given", "cost", "tokens"),
    [
        (settings("evolution"), None, None),
        (settings("anthropic:claude-sonnet-5-5"), DEFAULT_MAX_COST, None),
        (settings("openai:gpt-99-secret"), None, DEFAULT_MAX_TOKENS),
        (settings("openai:gpt-99-secret", price=(1, 2)), DEFAULT_MAX_COST, None),
        (settings("openai:gpt-5", max_tokens=5), None, 5),
        (settings("openai:mine", base_url="http://127.0.0.1:8000/v1"), None, None),
        (settings("openai:mine", base_url="https://models.example.com/v1"), None, DEFAULT_MAX_TOKENS),
        (settings("evolution", critic="anthropic:claude-sonnet-5-5"), DEFAULT_MAX_COST, None),
        (settings("langchain:anthropic:claude-sonnet-5-5"), DEFAULT_MAX_COST, None),
    ],
)
def test_a_paid_explorer_has_a_cap_that_is_said(given: RunSettings, cost: float | None, tokens: int | None) -> None:
    said: list[str] = []
    settled = with_default_caps(given, said.append)
    assert (settled.max_cost, settled.max_tokens) == (cost, tokens)
    assert bool(said) == (settled != given)


def test_a_cap_on_money_that_nothing_could_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"--price IN,OUT .* or limit --max-tokens"):
        with_default_caps(settings("openai:gpt-99-secret", max_cost=3.0), print)


class Interrupted(Explorer):
    """An explorer that has one call answered and one in flight when Ctrl-C comes."""

    def identity(self) -> Mapping[str, str]:
        return {"explorer": "interrupted"}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        for event in (call(0, "a"), reply(0, "a"), call(0, "b")):
            transcript.record(event["event"], **{name: event[name] for name in event.keys() - {"at", "event", "of"}})
        raise KeyboardInterrupt

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        return Critique("")


def test_a_run_that_is_interrupted_or_killed_has_right_totals(
    tmp_path: Path, grids: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "make_run_explorer", lambda context: Interrupted())
    settings = RunSettings(
        grids=(str(grids[0]),), rounds=1, candidates=1, repeats=1, betas=(0.0, 1.0), sandbox="process", baselines="sc",
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        discovery.start(tmp_path / "run", settings, jobs=1, observer=SilentObserver())
    folder = RunFolder(tmp_path / "run")
    total = read_json(folder.accounting)["total"]
    assert (total["calls"], total["replies"], total["possibly_billed"]) == (2, 1, 1)
    assert (total["cost"], total["possible_cost"]) == (0.25, 1.0)
    # What a kill after the last node would leave.
    write_json(folder.accounting, {"total": {"calls": 0}})
    assert read_totals(folder)["total"] == total
