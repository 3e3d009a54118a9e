"""The explorer that needs no model: what it writes, and that the same brief gives the same candidates."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envdata.episodes import Terms
from envdata.grid_schema import signal_field
from graph.analysis.curves import Curve
from graph.explorers.base import Brief, CandidateRecord, ExplorerError
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanisms import SLOTS
from graph.explorers.evolution.render import Recipe, render
from graph.explorers.evolution.sampling import Scored, anything, draw, effects
from graph.explorers.evolution.seeds import SEEDS, recipe
from graph.explorers.evolution.variation import crossover, simplified
from graph.explorers.registry import make_explorer
from graph.run.transcript import Transcript
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings

BETAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def brief(number: int = 1, history: tuple[CandidateRecord, ...] = (), **changed: Any) -> Brief:
    given: dict[str, Any] = {
        "round": number, "rounds": 3, "wanted": 14, "seed": 0, "betas": BETAS, "objective": "area", "low": 10.0,
        "high": 100.0, "baselines": {}, "history": history,
        "signals": ("probe_confidence", "token_confidence"),
    }  # fmt: skip
    return Brief(**{**given, **changed})


def propose(asked: Brief, tmp_path: Path) -> list[Any]:
    return list(Evolution().propose(asked, Transcript(tmp_path / "transcript.jsonl")))


def every_recipe() -> list[Recipe]:
    rng = random.Random(7)
    return [seed for _, seed in SEEDS] + [anything(rng) for _ in range(40)]


def test_every_recipe_is_read_back_from_its_json() -> None:
    for each in every_recipe():
        assert Recipe.from_json(each.to_json()) == each


def with_confidence(path: Path, out: Path) -> Path:
    """Return the path `out` of a grid with token confidences, made from the one at `path`."""
    table, rng = pq.read_table(path), random.Random(5)
    confidences = [[rng.uniform(3, 12) for _ in (*answers, 0)] for answers in table["probe_answers"].to_pylist()]
    field = signal_field("token_confidence")
    pq.write_table(table.append_column(field, pa.array(confidences, field.type)), out)
    return out


def test_every_controller_of_the_family_plays_and_spends_more_with_a_larger_beta(
    grids: tuple[Path, Path], tmp_path: Path
) -> None:
    grid = str(with_confidence(grids[0], tmp_path / "confidence.parquet"))
    rng = random.Random(11)
    recipes = [seed for _, seed in SEEDS]
    untried = {(slot, each.name) for slot, mechanisms in SLOTS.items() for each in mechanisms}
    while untried:
        drawn = anything(rng)
        if untried & set(drawn.choices.items()):
            recipes.append(drawn)
            untried -= set(drawn.choices.items())
    with Evaluator(EvaluationSettings(), sandbox="process") as evaluator:
        plans = [
            Plan(Candidate(f"c{place}", render(each)), (grid,), (0.0, 1.0), 1) for place, each in enumerate(recipes)
        ]
        episodes = evaluator.evaluate(plans).episodes
    for place, each in enumerate(recipes):
        curve = Curve.from_episodes(episodes, f"c{place}", (grid,))
        assert not curve.failures, (curve.why, render(each))
        # Of a larger wave more branches may be given up, and earlier.
        if each.choices["pruning"] not in ("late", "hesitant"):
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
    ("sc", {"reading": "whole", "stopping": "never"}, {"max_branches": (1, 64), "first": (1, 64), "burst": 1}),
    ("asc", {"reading": "whole"}, {"max_branches": (1, 64), "sure": 0.95, "first": 1, "burst": 1}),
])  # fmt: skip
def test_hand_made_methods_are_special_cases(
    grids: tuple[Path, Path], name: str, choices: dict[str, str], ends: dict[str, Any]
) -> None:
    own = Candidate("own", render(recipe(choices, **ends)))
    with Evaluator(EvaluationSettings(), sandbox="process") as evaluator:
        plans = [Plan(each, (str(grids[0]),), BETAS, 2) for each in (Candidate.parse(name), own)]
        episodes = evaluator.evaluate(plans).episodes
    columns = ["beta", "repeat", "question", "answer", "tokens", "sequential_tokens"]
    shipped, ours = (
        [row for row in episodes.select(["controller", *columns]).to_pylist() if row.pop("controller") == label]
        for label in (name, "own")
    )
    assert shipped == ours


def test_what_uses_no_answer_of_an_unfinished_branch_probes_nothing(grids: tuple[Path, Path]) -> None:
    given: dict[str, Any] = {"max_branches": 8, "sure": 0.9, "first": 4, "burst": 2, "early": 0.5, "pace": 3}
    blind = recipe({"length": "decay", "pruning": "late"}, **given)
    looking = recipe({"length": "decay", "pruning": "late", "retention": "kept"}, loyalty=2, **given)
    tokens = {}
    for cost in (0, 1000):
        with Evaluator(EvaluationSettings(Terms(probe_cost=cost)), sandbox="process") as evaluator:
            candidates = (Candidate("blind", render(blind)), Candidate("looking", render(looking)))
            episodes = evaluator.evaluate([Plan(each, (str(grids[0]),), (0.5,), 1) for each in candidates]).episodes
        for name in ("blind", "looking"):
            tokens[name, cost] = float(Curve.from_episodes(episodes, name, (str(grids[0]),)).tokens[0])
    assert tokens["blind", 0] == tokens["blind", 1000]
    assert tokens["looking", 0] < tokens["looking", 1000]


def test_equal_weights_make_the_same_vote_as_none(grids: tuple[Path, Path]) -> None:
    given: dict[str, Any] = {"max_branches": 8, "sure": 0.9, "first": 1, "burst": 1}
    plain = render(recipe({}, **given))
    # A pace that all branches keep: every weight is 1 but for a ten thousandth.
    weighted = render(recipe({"length": "decay"}, pace=64, **given)).replace('"pace": 64', '"pace": 1e6')
    with Evaluator(EvaluationSettings(), sandbox="process") as evaluator:
        candidates = (Candidate("plain", plain), Candidate("weighted", weighted))
        episodes = evaluator.evaluate([Plan(each, (str(grids[0]),), (0.5,), 2) for each in candidates]).episodes
    first, second = (Curve.from_episodes(episodes, name, (str(grids[0]),)) for name in ("plain", "weighted"))
    assert first.tokens_by_question[0].tolist() == second.tokens_by_question[0].tolist()
    assert first.tokens[0] > 0


def test_ideas_that_help_are_combined_even_if_no_recipe_with_one_of_them_is_among_the_best(tmp_path: Path) -> None:
    def score(choices: dict[str, str]) -> float:
        helps = {("length", "decay"): 0.03, ("stopping", "deviations"): 0.02, ("retention", "kept"): 0.01}
        return 0.3 + sum(helps.get(choice, 0.0) for choice in choices.items())

    history: tuple[CandidateRecord, ...] = ()
    for number in (1, 2, 3):
        proposed = propose(brief(number, history, signals=()), tmp_path)
        history += tuple(
            CandidateRecord(
                f"r{number}-{place:02d}", number, each.source, each.notes, "ok", None,
                score(each.notes["recipe"]["choices"]), None,
            )
            for place, each in enumerate(proposed)
        )  # fmt: skip
    assert max(each.screening or 0.0 for each in history) == pytest.approx(0.36)


def test_effects_are_found_where_ideas_come_one_at_a_time() -> None:
    plain = SEEDS[0][1]
    scored = [
        Scored(name, Recipe({**plain.choices, slot: name}), score)
        for slot, name, score in (
            ("reading", "whole", 0.3), ("reading", "ends", 0.3), ("length", "decay", 0.4), ("retention", "kept", 0.2),
        )
    ]  # fmt: skip
    found = effects(scored)
    assert found["length", "decay"] > 0.02 > found["length", "ignored"]
    assert found["retention", "kept"] < -0.02
    assert ("stopping", "lead") not in found


def test_nothing_is_tried_that_needs_a_signal_which_the_grids_lack(tmp_path: Path) -> None:
    rng = random.Random(5)
    assert any(anything(rng).signals for _ in range(60))
    assert not any(anything(rng, signals=()).signals for _ in range(60))
    signals: tuple[str, ...]
    for signals, wanted in ((("probe_confidence",), True), ((), False)):
        said = propose(brief(signals=signals), tmp_path)
        assert any("sure answers" in each.idea for each in said) is wanted
        assert not any("token_confidence" in each.source for each in said)


def test_nothing_probes_where_the_grids_have_no_probes(tmp_path: Path) -> None:
    first = propose(brief(probes=False), tmp_path)
    history = tuple(
        CandidateRecord(f"r1-{i:02d}", 1, each.source, each.notes, "ok", None, 0.5 + 0.01 * i, None)
        for i, each in enumerate(first)
    )
    second = propose(brief(2, history, probes=False), tmp_path)
    sources = [each.source for each in (*first, *second)]
    assert not any(Candidate("c", source).asks_probes for source in sources)
    assert sum("probe=False" in source for source in sources) > 4, "branches are still read side by side"
    rng = random.Random(3)
    parents = [Recipe.from_json(each.notes["recipe"]) for each in first]
    for _ in range(20):
        one, other = rng.sample(parents, 2)
        assert not crossover(rng, one, other, probes=False).probes
        assert not simplified(rng, one, probes=False).probes


def test_the_same_brief_gives_the_same_candidates_and_another_seed_others(tmp_path: Path) -> None:
    first = propose(brief(), tmp_path)
    assert first == propose(brief(), tmp_path)
    assert [each.source for each in first[: len(SEEDS)]] == [render(seed) for _, seed in SEEDS]
    other = propose(brief(seed=1), tmp_path)
    assert first[-1] != other[-1]


def test_later_rounds_draw_new_controllers_near_the_best(tmp_path: Path) -> None:
    first = propose(brief(), tmp_path)
    history = tuple(
        CandidateRecord(f"r1-{i:02d}", 1, each.source, each.notes, "ok", None, 0.9 if i == 3 else 0.5, None)
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
        CandidateRecord("r1-01", 1, "x", {}, "ok", None, 0.9, None),
        CandidateRecord("r1-02", 1, "y", {"recipe": SEEDS[0][1].to_json()}, "exception", "why", None, None),
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
        "    def __init__(self, text, context): self.text, self.seed = text, context.settings.seed\n"
        "def broken(text, context): raise OSError('no such model')\n"
        "def old(text): return Evolution()\n"
        "def empty(text, context): return object()\n"
    )
    about = tmp_path / "plugged-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    listed = ["mine = plugged:Mine", *(f"{name} = plugged:{name}" for name in ("broken", "old", "empty", "absent"))]
    (about / "entry_points.txt").write_text("\n".join(["[autotts.explorers]", *listed, "evolution = plugged:empty"]))
    monkeypatch.syspath_prepend(tmp_path)
    explorer = make_explorer("mine:with:colons")
    assert (explorer.text, explorer.seed) == ("with:colons", 0)  # type: ignore[attr-defined]
    assert isinstance(make_explorer("evolution"), Evolution), "a name of the project cannot be taken"
    for name, said in {
        "broken": r"plugged:broken of plugged 1.0\) cannot be made: OSError: no such model",
        "old": r"takes \(text\), and is called as \(argument, context\): give it a second parameter",
        "empty": "gave an object of the class object, which lacks methods of an explorer; derive it from",
        "absent": "cannot be loaded: AttributeError",
    }.items():
        with pytest.raises(ExplorerError, match=f"the explorer '{name}' .*{said}"):
            make_explorer(name)
    with pytest.raises(ExplorerError, match=r"there are .*evolution, .*broken, .*mine"):
        make_explorer("other")


def test_without_beta_every_knob_is_a_constant_and_children_stay_near_their_parents(tmp_path: Path) -> None:
    first = propose(brief(free_knobs=True), tmp_path)
    history = tuple(
        CandidateRecord(f"c{place}", 1, each.source, each.notes, "ok", None, 1 / (1 + place), None)
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


def test_crossed_and_simplified_recipes_have_exactly_the_knobs_of_their_mechanisms() -> None:
    rng = random.Random(2)
    recipes = every_recipe()
    for first, second in pairwise(recipes):
        for each in (crossover(rng, first, second), simplified(rng, first)):
            assert each.genes.keys() == {knob.name for knob in each.knobs()}
            compile(render(each), "controller.py", "exec")
