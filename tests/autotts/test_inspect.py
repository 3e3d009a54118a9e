"""The task `autotts/discover` of Inspect AI, with Inspect's mock models as explorers, on small grids."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import autotts
from graph.run.files import RunError
from tests.graph.small import write_small

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ModelOutput

pytestmark = pytest.mark.inspect

ROOT = Path(__file__).parents[2]
SMALL = {"betas": [0, 0.5, 1], "repeats": 2, "baselines": "sc,asc", "sandbox": "process"}
GOOD = '''"""Stops as soon as the leader is two ahead."""
from autotts import Controller, poll

class Ahead(Controller):
    @staticmethod
    def schedule(beta):
        return {"most": 1 + round(9 * beta)}

    def solve(self, episode):
        branches = []
        while len(branches) < self.knobs["most"]:
            branches += episode.read(1)
            votes = poll(branch.answer for branch in branches)
            if votes.votes - votes.runner_up >= 2:
                break
        return poll(branch.answer for branch in branches).winner
'''
GOLD = "golden-"
FAILS = GOOD.replace("branches = []", "raise LookupError('mine')")


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("grids")
    return {
        name: str(write_small(folder / f"{name}.parquet", seed=seed, gold_prefix=GOLD))
        for seed, name in enumerate(["grid", "heldout"])
    }


def counted(output: "ModelOutput") -> "ModelOutput":
    """The output with its usage: the mock would load an encoding over the network to count tokens itself."""
    from inspect_ai.model import ModelUsage

    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def calls(*made: tuple[str, dict[str, Any]]) -> list["ModelOutput"]:
    from inspect_ai.model import ModelOutput

    return [counted(ModelOutput.for_tool_call("mockllm/model", name, arguments)) for name, arguments in made]


def replies(*texts: str) -> list["ModelOutput"]:
    from inspect_ai.model import ModelOutput

    return [counted(ModelOutput.from_content("mockllm/model", text)) for text in texts]


def evaluated(tmp_path: Path, grids: dict[str, str], outputs: Sequence["ModelOutput"], **more: Any) -> "EvalLog":
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import get_model

    from autotts.inspect import discover

    task = discover(**grids, **SMALL, **more.pop("parameters", {}))
    model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
    (log,) = inspect_eval(task, model=model, log_dir=str(tmp_path), display="none", **more)
    assert log.status == "success", log.error
    return log


def told(sample: "EvalSample", tool: str) -> list[str]:
    return [each.error.message if each.error else each.text for each in sample.messages
            if each.role == "tool" and each.function == tool]  # fmt: skip


def score(log: "EvalLog") -> dict[str, float]:
    assert log.results is not None
    return {each.name: each.metrics["mean"].value for each in log.results.scores}


def test_a_model_reads_tries_drafts_and_submits(tmp_path: Path, grids: dict[str, str]) -> None:
    made = calls(("read_api", {}), ("evaluate", {"source": GOOD}), ("evaluate", {"source": FAILS}),
                 ("submit", {"source": "x = 1"}), ("submit", {"source": GOOD}))  # fmt: skip
    log = evaluated(tmp_path, grids, made, parameters={"tries": 1})
    from inspect_ai.log import read_eval_log

    sample = read_eval_log(log.location).samples[0]  # type: ignore[index]
    assert "class Controller" in told(sample, "read_api")[0]
    played, refused = map(json.loads, told(sample, "evaluate"))
    assert (played["status"], played["tries_left"], len(played["sweep"])) == ("ok", 0, 3)
    assert refused == {"status": "refused", "why": "there are no tries left in this round", "tries_left": 0}
    assert told(sample, "submit") == [
        "not submitted: contract_error: the file must define one subclass of Controller; it defines none", GOOD,
    ]  # fmt: skip
    # Nothing but what an explorer of a run is shown.
    shown = "".join(message.text for message in sample.messages)
    assert GOLD not in shown
    assert "heldout" not in shown
    assert "question 3" not in shown
    # The figures are those of the public door.
    result = autotts.evaluate(
        ["sc", autotts.Candidate("mine", GOOD)], grids["heldout"], betas=(0, 0.5, 1), repeats=2, sandbox="process",
        settings=autotts.EvaluationSettings(order="balanced"),
    )  # fmt: skip
    expected = result.against_sc["mine"].gain
    assert expected is not None
    assert score(log)["gain"] == pytest.approx(100 * expected.value)
    assert score(log)["stderr"] > 0
    assert sample.scores is not None
    own = sample.scores["gain"]
    assert own.answer == GOOD
    assert own.metadata is not None
    assert own.metadata["gain_low"] == pytest.approx(100 * (expected.low or 0))
    assert "self-consistency takes" in (own.explanation or "")


def test_a_reply_without_tools_is_scored_and_failures_gain_nothing(tmp_path: Path, grids: dict[str, str]) -> None:
    from inspect_ai.solver import generate

    outputs = replies(f"It fails.\n\n```python\n{FAILS}```", "I cannot.", f"Better.\n\n```python\n{GOOD}```")
    log = evaluated(tmp_path, grids, outputs, solver=generate(), epochs=3, max_samples=1)
    found = [sample.scores["gain"] for sample in log.samples or [] if sample.scores]
    assert [(each.metadata or {}).get("status") for each in found] == ["exception", None, "ok"]
    assert [each.reason for each in found] == [None, "no_response", None]
    assert [each.value["gain"] for each in found[:2]] == [0, 0]  # type: ignore[index]
    assert "there is no code in the reply" in (found[1].explanation or "")
    # Epochs are averaged.
    assert score(log)["gain"] == pytest.approx(found[2].value["gain"] / 3)  # type: ignore[index]


def test_something_must_be_held_out(grids: dict[str, str]) -> None:
    from autotts.inspect import discover

    with pytest.raises(RunError, match=r"there is none; give -T heldout=FILE"):
        discover(grid=grids["grid"])


def test_an_agent_that_is_told_its_score_cannot_use_it(tmp_path: Path, grids: dict[str, str]) -> None:
    from inspect_ai.agent import AgentAttempts, react

    made = calls(("submit", {"answer": f"```python\n{GOOD}```"}), ("submit", {"answer": f"```python\n{FAILS}```"}))
    agent = react(attempts=AgentAttempts(2, score_value=lambda value: 0.0))
    log = evaluated(tmp_path, grids, made, solver=agent)
    assert [sample.scores["gain"].answer for sample in log.samples or [] if sample.scores] == [GOOD]


SCRIPTED = """
from inspect_ai.model import ModelAPI, ModelOutput, modelapi

@modelapi(name="scripted")
class Scripted(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):
        return ModelOutput.for_tool_call("scripted", "submit", {"source": GOOD})

GOOD = '''{source}'''
"""


def test_the_command_finds_the_task_by_its_entry_point(tmp_path: Path, grids: dict[str, str]) -> None:
    from inspect_ai.log import read_eval_log

    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["inspect_ai"]
    # An editable installation of this checkout, as pip writes it, with the scripted model beside the task.
    about = tmp_path / "package" / "autotts-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: autotts\nVersion: 0.1.0\n")
    (about / "direct_url.json").write_text(json.dumps({"url": ROOT.as_uri(), "dir_info": {"editable": True}}))
    lines = [f"{name} = {module}" for name, module in {**entries, "scripted": "scripted_model"}.items()]
    (about / "entry_points.txt").write_text("\n".join(["[inspect_ai]", *lines]))
    (about.parent / "scripted_model.py").write_text(SCRIPTED.replace("{source}", GOOD))
    paths = os.pathsep.join([str(about.parent), str(ROOT)])
    given = {**grids, "betas": "0,0.5,1", "repeats": 1, "baselines": "sc", "sandbox": "process"}
    options = [text for name, value in given.items() for text in ("-T", f"{name}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "inspect_ai", "eval", "autotts/discover", "--model", "scripted/any", *options,
         "--display", "plain", "--log-dir", str(tmp_path / "logs")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(path))
    assert log.eval.task == "autotts/discover"
    assert log.status == "success"
    assert set(score(log)) == {"gain", "stderr", "saving"}
