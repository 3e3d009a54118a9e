"""Live episodes with the real model in vLLM, behind its server and in process; asserted is structure, never speed."""

import asyncio
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.live.model import LiveSettings
from sandbox.live import Solution, Solver
from sandbox.live.api import served
from tests import live_model, real_model

pytestmark = pytest.mark.vllm

GRID = "envdata/bundled/word-problems-heldout.parquet"

SCRIPT = f"""
import asyncio, json, sys
# What the sandboxes need and vLLM's own environment does not have; behind it, so that nothing of vLLM's is replaced.
sys.path.append({sysconfig.get_paths()["purelib"]!r})
from envdata.collect.vllm_engine import VLLMEngine
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.live.metering import count_per_episode
from envdata.live.model import LiveSettings
from sandbox.live import Solver

async def main():
    grid = Grid.load({GRID!r})
    engine = VLLMEngine(sys.argv[1], json.loads(sys.argv[2]))
    count_per_episode(engine)
    settings, terms = LiveSettings.like(grid.provenance, "containers"), Terms(probe_cost=0)
    async with Solver(engine, settings, sandbox="process", terms=terms) as solver:
        question = "A bag holds 6 balls. How many balls are in 7 bags?"
        solution = await solver.solve(question, "cmc", seed=1)
        # One that nobody waits for is taken out of the engine.
        unwanted = asyncio.ensure_future(solver.solve(question, "sc", 1.0, seed=2))
        await asyncio.sleep(1)
        unwanted.cancel()
        await asyncio.gather(unwanted, return_exceptions=True)
        left = await engine.with_model(lambda llm: llm.llm_engine.get_num_unfinished_requests())
        print(json.dumps([solution.answer, vars(solution.cost), len(solution.branches), left]))

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_model.serving(tmp_path_factory.mktemp("vllm") / "log") as url:
        yield url


def check(solution: Solution, grid: Grid) -> None:
    cost = solution.cost
    assert solution.failed_by is None
    assert cost.cached_tokens > 0, "a continued prefix comes from the cache"
    assert sum(branch.tokens for branch in solution.branches) == cost.tokens
    assert cost.tokens <= cost.decoded
    assert cost.probe_tokens > 0
    for branch in solution.branches:
        assert branch.tokens <= 85 + grid.interval
        assert branch.finished or branch.tokens % grid.interval == 0


def metric(url: str, name: str) -> float:
    """What vLLM's server says of itself."""
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    (line,) = [line for line in page.splitlines() if line.startswith(f"vllm:{name}{{")]
    return float(line.rpartition(" ")[2])


def test_episodes_behind_vllms_server(url: str) -> None:
    grid = Grid.load(GRID)
    counted: list[float] = []

    async def run() -> list[Solution]:
        engine = served(url, real_model.MODEL)
        # Free probes: the charged tokens are then those of the branches, whatever probes of one prefix share.
        terms = Terms(probe_cost=0)
        async with Solver(engine, LiveSettings.like(grid.provenance, "containers"), terms=terms) as solver:
            assert solver.facts is not None
            assert (solver.facts.name, solver.facts.continues) == ("vllm", "token ids")
            assert solver.model.context == 2048
            question = "A bag holds 6 balls. How many balls are in 7 bags?"
            before = metric(url, "generation_tokens_total")
            solutions = await asyncio.gather(*(solver.solve(question, "cmc", seed=seed) for seed in (1, 2)))
            read = await solver.solve(question, "sc", 0.5, seed=3)
            counted.append(metric(url, "generation_tokens_total") - before)
            return [*solutions, read]

    first, second, read = asyncio.run(run())
    assert counted == [sum(solution.cost.generated for solution in (first, second, read))]
    assert read.cost.decoded == read.cost.tokens
    assert all(branch.finished for branch in read.branches)
    check(first, grid)
    check(second, grid)
    assert [branch.text for branch in first.branches] != [branch.text for branch in second.branches]


def test_a_client_of_the_endpoint_that_goes_away_leaves_vllm_idle(url: str) -> None:
    from graph.serve.app import Endpoint, EndpointSettings
    from graph.serve.requests import ServedControllers
    from sandbox.candidate import Candidate

    live_settings = LiveSettings.like(Grid.load(GRID).provenance, "containers")
    solver = Solver(served(url, real_model.MODEL), live_settings)
    endpoint = Endpoint(
        solver,
        ServedControllers({"sc": Candidate.parse("sc")}, 1.0, "gemma"),
        live_settings,
        Terms(),
        EndpointSettings(),
    )
    with live_model.serving(endpoint.application) as own:
        sdk = openai.OpenAI(base_url=own, api_key="none", max_retries=0, timeout=1.5)
        with pytest.raises(openai.APITimeoutError):
            sdk.chat.completions.create(model="sc", messages=[{"role": "user", "content": "A bag holds 6 balls."}])
        deadline = 60
        while deadline and 'status="gone"' not in httpx.get(own.removesuffix("/v1") + "/metrics").text:
            deadline -= 1
            asyncio.run(asyncio.sleep(0.25))
        # The server ends what runs between two steps, and says so after the next one: both take as long as they take.
        deadline = 120
        while deadline and metric(url, "num_requests_running"):
            deadline -= 1
            asyncio.run(asyncio.sleep(0.5))
        assert metric(url, "num_requests_running") == 0


def test_episodes_in_process(tmp_path: Path) -> None:
    script = tmp_path / "live.py"
    script.write_text(SCRIPT)
    _, cost, branches, left = real_model.told_by(
        script, real_model.folder() / "gemma-hf", json.dumps(real_model.IN_PROCESS), timeout=400
    )
    assert cost["cached_tokens"] > 0
    assert cost["decoded"] == cost["tokens"]
    assert branches >= 2
    assert left == 0
