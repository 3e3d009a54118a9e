"""The explorer that needs no model: what it writes, and that the same brief gives the same candidates."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from graph.curves import Curve
from graph.explorers.base import Brief, ExplorerError, Tried
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.render import Recipe, render
from graph.explorers.evolution.sampling import anything, draw
from graph.explorers.evolution.seeds import SEEDS, recipe
from graph.explorers.registry import make_explorer
from graph.journal import Journal
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.playing import Settings

BETAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def brief(number: int = 1, history: tuple[Tried, ...] = (), **changed: Any) -> Brief:
    given: dict[str, Any] = {
        "round": number, "rounds": 3, "wanted": 14, "seed": 0, "betas": BETAS, "objective": "area", "low": 10.0,
        "high": 100.0, "baselines": {}, "history": history,
    }  # fmt: skip
    return Brief(**{**given, **changed})


def propose(asked: Brief, tmp_path: Path) -> list[Any]:
    return list(Evolution().propose(asked, Journal(tmp_path / "transcript.jsonl")))


def every_recipe() -> list[Recipe]:
    rng = random.Random(7)
    return [seed for _, seed in SEEDS] + [anything(rng) for _ in range(40)]


def test_every_recipe_is_read_back_from_its_json() -> None:
    for each in every_recipe():
        assert Recipe.from_json(each.to_json()) == each


def test_every_controller_of_the_family_plays_and_spends_more_with_a_larger_beta(grids: tuple[Path, Path]) -> None:
    rng = random.Random(11)
    recipes = [seed for _, seed in SEEDS] + [anything(rng) for _ in range(12)]
    with Evaluator(Settings(), sandbox="process") as evaluator:
        plans = [
            Plan(Candidate(f"c{place}", render(each)), (str(grids[0]),), (0.0, 1.0), 1)
            for place, each in enumerate(recipes)
        ]
        episodes = evaluator.evaluate(plans).episodes
    for place, each in enumerate(recipes):
        curve = Curve.from_episodes(episodes, f"c{place}", (str(grids[0]),))
        assert not curve.failures, (curve.why, render(each))
        assert curve.tokens[0] <= curve.tokens[1], render(each)


def test_every_schedule_goes_one_way() -> None:
    for each in every_recipe():
        for knob in each.knobs():
            expression = knob.expression(each.genes[knob.name])
            values = [eval(expression, {"beta": beta, "round": round}) for beta in BETAS]
            steps = [(b > a) - (b < a) for a, b in pairwise(values)]
            wanted = 1 if knob.dear > knob.cheap else -1
            assert all(step in (0, wanted) for step in steps), (knob.name, expression, values)


@pytest.mark.parametrize(("name", "choices", "ends"), [
    ("sc", {"stopping": "never"}, {"max_branches": (1, 64), "first": (1, 64), "burst": 1}),
    ("asc", {}, {"max_branches": (1, 64), "sure": 0.95, "first": 1, "burst": 1}),
])  # fmt: skip
def test_hand_made_methods_are_special_cases(
    grids: tuple[Path, Path], name: str, choices: dict[str, str], ends: dict[str, Any]
) -> None:
    own = Candidate("own", render(recipe(choices, **ends)))
    with Evaluator(Settings(), sandbox="process") as evaluator:
        plans = [Plan(each, (str(grids[0]),), BETAS, 2) for each in (Candidate.parse(name), own)]
        episodes = evaluator.evaluate(plans).episodes
    columns = ["beta", "repeat", "question", "answer", "tokens", "sequential_tokens"]
    shipped, ours = (
        [row for row in episodes.select(["controller", *columns]).to_pylist() if row.pop("controller") == label]
        for label in (name, "own")
    )
    assert shipped == ours


def test_the_same_brief_gives_the_same_candidates_and_another_seed_others(tmp_path: Path) -> None:
    first = propose(brief(), tmp_path)
    assert first == propose(brief(), tmp_path)
    assert [each.source for each in first[: len(SEEDS)]] == [render(seed) for _, seed in SEEDS]
    other = propose(brief(seed=1), tmp_path)
    assert first[-1] != other[-1]


def test_later_rounds_draw_new_controllers_near_the_best(tmp_path: Path) -> None:
    first = propose(brief(), tmp_path)
    history = tuple(
        Tried(f"r1-{i:02d}", 1, each.source, each.notes, "ok", None, 0.9 if i == 3 else 0.5, None)
        for i, each in enumerate(first)
    )
    second = propose(brief(2, history), tmp_path)
    sources = [each.source for each in (*first, *second)]
    assert len(set(sources)) == len(sources)
    assert sum("A child of r1-03" in each.idea for each in second) > len(second) / 2
    reading = first[3].notes["recipe"]["choices"]["reading"]
    near = [each.notes["recipe"]["choices"]["reading"] == reading for each in second]
    assert sum(near) > len(near) / 2


def test_what_failed_or_came_from_another_explorer_has_no_children(tmp_path: Path) -> None:
    history = (
        Tried("r1-01", 1, "x", {}, "ok", None, 0.9, None),
        Tried("r1-02", 1, "y", {"recipe": SEEDS[0][1].to_json()}, "exception", "why", None, None),
    )
    assert all("A child of" not in each.idea for each in propose(brief(2, history), tmp_path))


def test_a_knobs_ends_are_where_they_were_put() -> None:
    knob = Knob("n", 1, 64, "log", True, "")
    assert knob.ends(knob.gene(4, 32)) == (4, 32)
    assert knob.expression(knob.gene(1, 64)) == "round(64**beta)"
    assert knob.expression(knob.gene(5, 5)) == "5"
    assert Knob("p", 0.6, 0.9995, "odds", False, "").expression((0.0, 0.0)) == "0.6"


def test_draws_stay_in_their_range_and_gather_round_their_mean() -> None:
    rng = random.Random(3)
    drawn = [draw(rng, 0.7, 0.1) for _ in range(2000)]
    assert all(0 <= value <= 1 for value in drawn)
    assert sum(drawn) / len(drawn) == pytest.approx(0.7, abs=0.01)


def test_unknown_explorers_are_refused_with_those_there_are() -> None:
    with pytest.raises(ExplorerError, match=r"there are .*evolution"):
        make_explorer("oracle:x")
    with pytest.raises(ExplorerError, match="takes no argument"):
        make_explorer("evolution:fast")


def test_another_package_adds_an_explorer_through_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugged.py").write_text(
        "from graph.explorers.evolution.explorer import Evolution\n"
        "class Mine(Evolution):\n"
        "    def __init__(self, text): self.text = text\n"
        "def broken(text): raise OSError('no such model')\n"
    )
    about = tmp_path / "plugged-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[autotts.explorers]\nmine = plugged:Mine\nbroken = plugged:broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    explorer = make_explorer("mine:with:colons")
    assert explorer.text == "with:colons"  # type: ignore[attr-defined]
    with pytest.raises(ExplorerError, match="'broken' cannot be loaded: OSError: no such model"):
        make_explorer("broken")
    with pytest.raises(ExplorerError, match=r"there are .*broken, .*evolution, .*mine"):
        make_explorer("other")


def test_without_beta_every_knob_is_a_constant_and_children_stay_near_their_parents(tmp_path: Path) -> None:
    first = propose(brief(free_knobs=True), tmp_path)
    history = tuple(
        Tried(f"c{place}", 1, each.source, each.notes, "ok", None, 1 / (1 + place), None)
        for place, each in enumerate(first)
    )
    second = propose(brief(2, history, free_knobs=True), tmp_path)
    for each in (*first, *second):
        recipe = Recipe.from_json(each.notes["recipe"])
        assert all(low == high for low, high in (k.ends(recipe.genes[k.name]) for k in recipe.knobs()))
        assert "beta *" not in each.source
        assert "**beta" not in each.source
    assert len({each.source for each in (*first, *second)}) == len(first) + len(second)


def test_without_feedback_every_round_but_the_first_is_drawn_from_the_whole_family(tmp_path: Path) -> None:
    seeds = {render(seed) for _, seed in SEEDS}
    blind = [{each.source for each in propose(brief(n, feedback=False, seed=n), tmp_path)} for n in (1, 2, 3)]
    assert blind[0] >= seeds
    assert not (blind[1] | blind[2]) & seeds
    assert blind[1] != blind[2]
