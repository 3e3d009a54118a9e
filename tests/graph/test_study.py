"""Studies: what a file stands for, its runs carried out and gone on with, and what they show."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import autotts
from graph.cli import cli
from graph.critic.mechanisms import MECHANISMS, SIGNALS
from graph.critic.tree_distance import read_profiles
from graph.run.pinned import Pinned
from graph.run.setting_fields import ConfigurationError
from graph.study.charts import over_seeds
from graph.study.plan import read_plan
from tests.graph.running import files, here

SHIPPED = Path("sandbox/controllers")


def write(path: Path, grids: tuple[Path, Path], **more: object) -> Path:
    """A study of the settings of the runs of `conftest`."""
    said = {"seeds": [0], **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
    lines += ["[discover]", f'grid = ["{grids[0]}"]', f'heldout = ["{grids[1]}"]', "rounds = 2", "candidates = 3"]
    lines += ["finalists = 1", "repeats = 2", "screening-repeats = 1", "betas = [0, 1]", 'sandbox = "process"']
    lines += ['baselines = ["sc", "asc", "cmc"]']
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_study_is_explorers_by_ablations_by_seeds(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    path = write(
        tmp_path / "s.toml", grids, seeds=[3, 4], explorers=["evolution", "openai:gpt-x+evolution"],
        ablations=["none", "no_traces+no-history"], max_tokens=1001, at_once=2,
    )  # fmt: skip
    plan = read_plan(path)
    assert len(plan.runs) == 8
    assert plan.study.concurrent_runs == 2
    last = plan.runs[-1]
    assert last.folder == "openai-gpt-x-evolution--no-traces+no-history--seed-4"
    assert last.settings.explorers == ("openai:gpt-x", "evolution")
    assert (last.settings.no_traces, last.settings.no_history, last.settings.no_critic) == (True, True, False)
    assert (last.settings.seed, last.settings.rounds, last.settings.betas) == (4, 2, (0.0, 1.0))
    # What all may take together is not exceeded by equal shares.
    assert last.settings.max_tokens == 125


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = [0]\nexplorer = ['evolution']", "explorer is no setting; did you mean explorers?"),
        ("", "seeds is missing"),
        ("seeds = [0, 0]", "seeds: 0 is there twice"),
        ("seeds = [0]\nablations = ['no_luck']", "'no_luck' is no ablation; there are none, no_feedback"),
        ("seeds = []", "seeds is []; give one or more"),
        ("seeds = 'all'", "seeds is 'all'; give a list"),
        ("seeds = [0.5]", "seeds is 0.5; give a whole number"),
        ("seeds = [0]\nmax_cost = inf", "max_cost is inf; "),
        ("seeds = [0]\nmax_cost = -1", "max_cost is -1; give more than 0"),
        ("seeds = [0]\nat_once = 0", "at_once is 0; give 1 or more"),
        ("seeds = [0]\n[discover]\nseed = 3", "seed in [discover] is not for a study; use seeds above"),
        ("seeds = [0]\n[discover]\nmax_csot = 3", "did you mean max_cost?"),
        ("seeds = [0]\n[discover]\nsecret = 's'", "secret in [discover] is not for a study"),
        ("seeds = [0]\n[discover]\nrounds = 0", "[discover] rounds is 0; give 1 or more"),
        ("seeds = [0]\n[discover]\nno-beta = true", "no-beta in [discover] is not for a study; use ablations above"),
        ("seeds = [0]\ndiscover = 3", "discover is 3; give a table, [discover]"),
        ("seeds = [0", "cannot be read"),
    ],
)
def test_what_a_study_cannot_take_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_plan(path)
    assert says in str(raised.value)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, grids: tuple[Path, Path], finished: Path) -> tuple[Path, Path]:
    """A study of two runs, of which one was there already, and one is carried out."""
    folder = tmp_path_factory.mktemp("study")
    path = write(folder / "s.toml", grids, ablations=["none", "no_feedback"])
    out = folder / "out"
    there = out / "runs" / "evolution--none--seed-0"
    shutil.copytree(finished, there)
    done = CliRunner().invoke(cli, ["study", str(path), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert "1 of 2 runs are there already" in done.stderr
    assert files(there) == files(finished)
    return path, out


def test_a_study_as_windows_saves_it_is_read(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbfseeds = [0, 1]\r\n")
    assert read_plan(path).study.seeds == (0, 1)


def test_a_run_of_a_study_is_a_run_like_any_other(study: tuple[Path, Path]) -> None:
    _, out = study
    pinned = Pinned.load(out / "runs" / "evolution--no-feedback--seed-0" / "run.toml")
    assert pinned.settings.no_feedback is True
    assert (out / "runs" / "evolution--no-feedback--seed-0" / "report.html").exists()


def test_the_tables_hold_every_run_and_candidate(study: tuple[Path, Path]) -> None:
    _, out = study
    runs = pq.read_table(out / "runs.parquet").to_pylist()
    assert [(row["ablation"], row["complete"], row["rounds"]) for row in runs] == [
        ("none", True, 2), ("no_feedback", True, 2),
    ]  # fmt: skip
    assert all(row["gain"] >= 0 and row["heldout"] is not None and row["episodes"] > 0 for row in runs)
    rows = pq.read_table(out / "candidates.parquet").to_pylist()
    assert len(rows) == 12
    for row in rows:
        assert 0 <= row["moved"] <= 1
        assert row["parent_round"] < row["round"]
        assert all(row[name] in (True, False) for name in (*MECHANISMS, *SIGNALS))
    rounds = pq.read_table(out / "rounds.parquet").to_pylist()
    assert [row["round"] for row in rounds] == [0, 1, 2, 0, 1, 2]
    # The first rounds are not the same draws, but the baselines are the same.
    assert rounds[0]["frontier"] == rounds[3]["frontier"]


def test_the_page_needs_nothing_but_itself_and_compares_the_loop_with_sampling(study: tuple[Path, Path]) -> None:
    _, out = study
    page = (out / "study.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [each["name"] for each in data["charts"]][:2] == ["gain-round", "gain-episodes"]
    gain = data["charts"][0]["series"]
    assert [each["name"] for each in gain] == data["arms"]
    assert [[point[0] for point in each["points"]] for each in gain] == [[0, 1, 2], [0, 1, 2]]
    shown = page.replace("http://www.w3.org/2000/svg", "")
    for word in ("http://", "https://", "unsafe", " style=", "nan"):
        assert word not in shown
    # For readers without scripts the figures stand in tables.
    assert page.count("<summary>Figures</summary>") == len(data["charts"]) >= 4
    assert "Against money: none were spent" in page
    assert "gain of the frontier, search set" in page
    assert "too few seeds" in page
    assert "points from as many independent samples; 1 seed" in page
    assert 'href="runs/evolution--no-feedback--seed-0/report.html"' in page


def test_its_figures_and_tables_are_written_for_a_paper(
    study: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = study
    said = here(capsys, "study", path, "--out", out, "--only-page", "--export", tmp_path / "paper").out
    written = {each.name for each in (tmp_path / "paper").iterdir()}
    assert f"for a paper: {len(written)} files in" in said
    assert {"gain-round.svg", "gain-round.pdf", "moved.svg", "arms.csv", "arms.tex", "runs.csv", "calls.csv",
            "loop-against-samples.tex"} <= written  # fmt: skip
    assert "evolution" in (tmp_path / "paper" / "arms.tex").read_text()
    # From Python it is the same.
    found = autotts.study(path, out, only_page=True)
    assert len(found.table) == 2
    assert "2 of 2 runs are complete" in str(found)
    assert found.plot()._repr_png_()
    with (tmp_path / "paper" / "runs.csv").open() as stream:
        assert [row["seed"] for row in csv.DictReader(stream)] == ["0", "0"]


def test_a_second_start_changes_nothing_and_another_setting_is_refused(
    tmp_path: Path, study: tuple[Path, Path], grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = study
    before = {each.name: each.read_bytes() for each in out.iterdir() if each.is_file()}
    again = here(capsys, "study", path, "--out", out)
    assert "2 of 2 runs are complete" in again.out
    assert {each.name: each.read_bytes() for each in out.iterdir() if each.is_file()} == before
    other = write(tmp_path / "s.toml", grids, ablations=["none", "no_feedback"])
    other.write_text(other.read_text().replace("repeats = 2", "repeats = 3", 1))
    refused = here(capsys, "study", other, "--out", out, code=1)
    assert "repeats: the run began with 2, and the study says 3" in refused.err


@pytest.mark.slow
def test_a_finished_run_goes_on_where_the_study_has_more_rounds(
    tmp_path: Path, study: tuple[Path, Path], grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(study[1], tmp_path / "out"))
    path = write(tmp_path / "s.toml", grids, ablations=["none"])
    path.write_text(path.read_text().replace("rounds = 2", "rounds = 3"))
    assert "1 of 1 runs are complete" in here(capsys, "study", path, "--out", out).out
    assert pq.read_table(out / "runs.parquet")["rounds"].to_pylist() == [3]


def test_a_run_that_fails_stops_no_other_and_is_named(
    tmp_path: Path, study: tuple[Path, Path], grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, done = study
    path = write(tmp_path / "s.toml", grids, explorers=["nobody", "evolution"])
    out = tmp_path / "out"
    shutil.copytree(done / "runs" / "evolution--none--seed-0", out / "runs" / "evolution--none--seed-0")
    ended = here(capsys, "study", path, "--out", out, code=1)
    assert "1 of 2 runs are complete" in ended.out
    assert "nobody--none--seed-0: there is no explorer 'nobody'" in ended.out
    assert "there is no explorer" in (out / "study.html").read_text(encoding="utf-8")


def test_what_cannot_be_parsed_or_is_hostile_has_no_shape_and_harms_no_other() -> None:
    sound = (SHIPPED / "asc.py").read_text(encoding="utf-8")
    hostile = ["def", "(" * 100_000 + ")" * 100_000, "x = " + "-" * 300_000 + "1", "a" + "+a" * 200_000, "\x00", ""]
    first, *shapes, last = read_profiles([sound, *hostile, sound])
    assert first is not None
    assert first == last
    assert all(shape is None or shape.nodes < 10 for shape in shapes)


def test_layout_and_words_are_no_move_but_code_is() -> None:
    source = (SHIPPED / "asc.py").read_text(encoding="utf-8")
    reworded = source.replace('"""', '"""Put otherwise: ', 1) + "\n\n# a comment\n"
    other = source.replace("n > 1", "n > 2")
    assert other != source
    far = (SHIPPED / "cmc.py").read_text(encoding="utf-8")
    shapes = [shape for shape in read_profiles([source, reworded, other, far]) if shape is not None]
    near = [shapes[0].distance(shape) for shape in shapes]
    assert near[0] == near[1] == 0
    assert 0 < near[2] < near[3] <= 1
    assert "posterior" in shapes[3].signals or "agreement" in shapes[3].signals


def test_a_signal_counts_as_the_models_confidence_by_its_name_only() -> None:
    sources = {
        "branch.confidence": ["model_confidence"],
        'branch.signals["token_confidence"]': ["model_confidence"],
        'branch.signals["judge"]  # not confidence': ["other_signal"],
        'NAME = "probe_confidence"\nbranch.signals[NAME]': ["model_confidence"],
        "branch.signals[self.name]": ["other_signal"],
        'each.signals["judge"], each.signals["probe_confidence"]': ["model_confidence", "other_signal"],
        'sorted(episode.signals), "confidence"': [],
    }
    read = read_profiles(list(sources))
    assert [list(each.signals) for each in read if each is not None] == list(sources.values())


@given(st.lists(st.lists(st.integers(0, 20), min_size=2, max_size=5, unique=True).map(sorted), min_size=1, max_size=4))
def test_a_band_holds_every_seed_wherever_all_have_got(xs: list[list[int]]) -> None:
    runs = [(list(map(float, x)), [float(k) for k in range(len(x))]) for x in xs]
    series = over_seeds("s", runs, steps=True)
    assert (series.low <= series.mean + 1e-9).all()
    assert (series.mean <= series.high + 1e-9).all()
    # Gains never fall, and so does no end of the band.
    assert (np.diff(series.low) >= 0).all()
    assert (np.diff(series.high) >= 0).all()
    assert series.x.max() <= min(x[-1] for x in xs)
