"""The published figures, by the shipped controllers through the sandbox, on the published replay data.

The data is not part of this repository: `AUTOTTS_PUBLISHED` names the folder that holds it.
"""

import csv
import functools
import os
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from envdata.autotts_import import import_folder
from sandbox.backends.base import Limits
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings
from sandbox.summary import SummaryRow, summarise

pytestmark = [pytest.mark.published, pytest.mark.bubblewrap]

REPEATS = 100
PATIENT = Limits(reply_seconds=120, repeat_seconds=600, start_seconds=120)
"""A busy machine is no failure of a controller's."""


class Setting(NamedTuple):
    """A controller with its settings, on one grid."""

    model: str
    spec: str
    beta: float | None = None


def folder() -> Path:
    return Path(os.environ["AUTOTTS_PUBLISHED"])


@functools.cache
def expected() -> dict[Setting, tuple[Decimal, int]]:
    """What the released evaluator prints: accuracy in percent to 0.01, tokens truncated to the whole number."""
    rows = {}
    with (folder() / "aime24_expected.csv").open() as file:
        for row in csv.DictReader(file):
            name, settings = row["controller"], row["settings"]
            if name == "cmc":
                setting = Setting(row["model"], name, float(settings.removeprefix("beta=")))
            else:
                setting = Setting(row["model"], f"{name}:{settings.replace(';', ',')}")
            rows[setting] = (Decimal(row["accuracy_percent"]), int(row["mean_tokens"]))
    return rows


@functools.cache
def table1() -> dict[str, tuple[str, str]]:
    """SC@64 on AIME24 by model: accuracy in percent and thousands of tokens, as printed in the paper's Table 1."""
    with (folder() / "table1.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "SC@64"]
    return {row["model"]: (row["aime24_acc"], row["aime24_ktokens"]) for row in rows}


@pytest.fixture(scope="session")
def grid_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The published grids by model, imported once."""
    out = tmp_path_factory.mktemp("published")
    return {done.source.parent.name: str(done.target) for done in import_folder(folder(), out)}


def evaluate(settings: Iterable[Setting], paths: dict[str, str]) -> dict[Setting, SummaryRow]:
    """Each setting's figures; one sandboxed evaluation for them all."""
    wanted: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for setting in settings:
        wanted[setting.model, setting.spec].append(setting.beta)
    plans, keys = [], []
    for (model, spec), betas in wanted.items():
        swept = tuple(beta for beta in betas if beta is not None)
        plans.append(Plan(Candidate.parse(spec), (paths[model],), swept or None, REPEATS))
        keys += [Setting(model, spec, beta) for beta in (sorted(swept) or [None])]
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=2) as evaluator:
        rows = list(summarise(evaluator.evaluate(plans).episodes))
    assert [(row.controller, row.grid, row.beta) for row in rows] == [
        (key.spec, paths[key.model], key.beta) for key in keys
    ]
    assert {row.status for row in rows} == {"ok"}
    return dict(zip(keys, rows, strict=True))


def differences(found: dict[Setting, SummaryRow]) -> dict[Setting, str]:
    """Where figures are not the released evaluator's."""
    wrong = {}
    for setting, row in found.items():
        accuracy, tokens = expected()[setting]
        ours = (Decimal(f"{100 * row.accuracy.value:.2f}"), int(row.tokens))
        if ours != (accuracy, tokens):
            wrong[setting] = f"{ours[0]} % at {ours[1]}, published {accuracy} % at {tokens}"
    return wrong


def test_latencies_are_reproduced(grid_paths: dict[str, str]) -> None:
    """Sequential tokens on Qwen3-8B, each under its own name, and the one chain of Answer Consistency."""
    sc, esc, chain = (
        Setting("Qwen3-8B", spec)
        for spec in ("sc:branches=64", "esc:max_branches=64,window=8", "answer_consistency:k=14")
    )
    found = evaluate([sc, esc, chain], grid_paths)
    assert int(found[sc].sequential_tokens) == 30091
    assert int(found[esc].sequential_tokens) == 84694
    assert (f"{100 * found[chain].accuracy.value:.2f}", int(found[chain].tokens)) == ("70.97", 12068)


def test_every_published_figure_is_reproduced(grid_paths: dict[str, str]) -> None:
    assert len(expected()) == 104
    assert differences(evaluate(expected(), grid_paths)) == {}


def test_self_consistency_is_as_in_table_1(grid_paths: dict[str, str]) -> None:
    found = evaluate([Setting(model, "sc:branches=64") for model in table1()], grid_paths)
    for setting, row in found.items():
        printed = (f"{100 * row.accuracy.value:.1f}", f"{row.tokens / 1000:.1f}")
        assert printed == table1()[setting.model], setting


def test_parallel_probe_has_two_latencies(grid_paths: dict[str, str]) -> None:
    """21,477 by the rule of calls; the paper's 20,324 is the longest single branch."""
    setting = Setting("Qwen3-8B", "parallel_probe:branches=64,stable_steps=40,prune_patience=7,warm_up=15")
    row = evaluate([setting], grid_paths)[setting]
    assert (int(row.sequential_tokens), int(row.longest_branch)) == (21477, 20324)
