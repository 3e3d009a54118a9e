"""Live episodes through real sandboxes and a real server: costs, budgets, and the same episode as in replay."""

import ast
import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import autotts
import sandbox
from envdata.branch_orders import ORDERS
from envdata.collect.engine import CollectError
from envdata.episodes import Terms
from envdata.grid import BranchRow, Grid, write_grid
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.live import Solution
from sandbox.replay_player import EvaluationSettings, Player, Repeat
from tests.live_model import STOP, Toy, answered, way
from tests.sandbox.live.conftest import QUESTION, Solve, live_settings

PROMPT = f"Problem: {QUESTION}\nReasoning:"


def controller(body: str) -> Candidate:
    """A controller whose `solve` is `body`."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    source = (
        "from sandbox.tts import *\n"
        "class Mine(Controller):\n"
        "    @staticmethod\n    def schedule(beta):\n        return {}\n"
        f"    def solve(self, episode):\n{lines}\n"
    )
    return Candidate("mine", source)


def letters(solution: Solution) -> list[str]:
    return [branch.text[0] for branch in solution.branches]


def recorded(letter: str, number: int, interval: int) -> BranchRow:
    """The branch that a collector would have recorded of one of the toy's ways."""
    text = way(letter, 6, 7)
    cuts = range(interval, len(text), interval)
    probes, costs, sure = [], [], []
    for cut in cuts:
        prefix = text[:cut]
        line = prefix.partition("Answer:")
        if line[1] and "\n" in line[2]:
            probes.append(line[2].split("\n")[0].strip())
            costs.append(0)
            sure.append(-0.5)
            continue
        closing = "" if line[1] else "\nAnswer:"
        for size in range(len(closing), 0, -1):
            if prefix.endswith(closing[:size]):
                closing = closing[size:]
                break
        reply = answered(PROMPT + prefix + closing)[:8]
        number_there = (line[2] + reply).split("\n")[0].strip()
        probes.append(number_there)
        costs.append(reply.index("\n") + 1)
        sure.append(-0.5)
    final = "" if letter == "g" else text.partition("Answer: ")[2].split("\n")[0]
    return BranchRow(0, QUESTION, "42", number, len(text), final, probes, None, sure, costs)


@pytest.mark.parametrize("name", ["cmc", "asc", "st_bon", "parallel_probe"])
def test_a_replay_of_the_same_branches_is_the_same_episode(name: str, solve: Solve, tmp_path: Path) -> None:
    live = solve(name)
    order = ORDERS["published"](64, 0, 0)
    rows = [recorded("a", number, 16) for number in range(64)]
    for place, letter in enumerate(letters(live)):
        rows[order[place]] = recorded(letter, int(order[place]), 16)
    write_grid(tmp_path / "toy.parquet", rows, 16, {})
    player = Player(
        make_backend("process"), Candidate.parse(name), Grid.load(tmp_path / "toy.parquet"), EvaluationSettings()
    )
    (played,) = player.play([Repeat(0.5, 0, traced=True)])
    assert played.trace is not None
    replayed, lived = played.trace.drop(["question"]).to_pydict(), live.trace.drop(["question"]).to_pydict()
    assert lived == replayed
    assert live.answer == played.result.answer[0]
    assert live.cost.tokens == played.result.tokens[0]
    assert live.cost.sequential_tokens == played.result.sequential_tokens[0]


def test_costs_are_what_the_server_counted(solve: Solve, toy: Toy) -> None:
    solution = solve("cmc", terms=Terms(probe_cost=0))
    cost = solution.cost
    assert cost.generated == toy.decoded
    assert cost.tokens == cost.decoded
    assert 0 < cost.cached_tokens < cost.prompt_tokens
    assert cost.probe_tokens > 0
    assert cost.seconds > 0
    known = [body for body in toy.requests if "What is" in str(body["prompt"]) or isinstance(body["prompt"], list)]
    assert cost.requests >= len(known) - 4, "the trials of the start aside"


def test_probes_of_one_call_share_requests_unless_that_hides_their_cached_tokens(solve: Solve, toy: Toy) -> None:
    look = controller("b = episode.branch(20)\nepisode.advance(b[:10])\nreturn majority(x.answer for x in b)")
    alone = solve(look)
    assert all(isinstance(body["prompt"], str) or isinstance(body["prompt"][0], int) for body in toy.requests)
    toy.tells_cache = False
    toy.requests.clear()
    shared = solve(look)
    assert shared.trace == alone.trace
    assert shared.branches == alone.branches
    assert (shared.cost.probe_tokens, shared.cost.wasted) == (alone.cost.probe_tokens, alone.cost.wasted)
    assert shared.cost.prompt_tokens == alone.cost.prompt_tokens
    assert shared.cost.generated == alone.cost.generated
    batches = [len(body["prompt"]) for body in toy.requests if isinstance(body["prompt"][0], list)]
    assert max(batches) > 1
    saved = sum(batches) - len(batches)
    assert shared.cost.requests == alone.cost.requests - saved


def test_a_prompts_ids_cost_a_token_where_a_server_does_not_just_tell_them(solve: Solve, toy: Toy) -> None:
    told = solve("cmc")
    toy.tokenizes = False
    asked = solve("cmc")
    assert asked.trace == told.trace
    assert asked.cost.decoded == told.cost.decoded + 1
    assert asked.cost.wasted == told.cost.wasted + 1
    assert asked.cost.tokens == told.cost.tokens


def test_tokens_of_a_branch_that_surely_ends_are_not_placed(solve: Solve, toy: Toy) -> None:
    read = controller("b = episode.read(8)\nreturn majority(x.answer for x in b)")
    whole = solve(read, ask=live_settings(stop=(STOP,)))
    drawn = [body for body in toy.requests if body.get("seed") is not None and body["n"] == 1]
    assert len(drawn) == 8
    assert not any("logprobs" in body for body in drawn)
    # Where the budget may stop it, a branch can still be probed, which its tokens' places are needed for.
    toy.requests.clear()
    placed = solve(read, ask=live_settings(stop=(STOP,)), terms=Terms(budget=sum(b.tokens for b in whole.branches)))
    assert any("logprobs" in body for body in toy.requests if body.get("seed") is not None)
    assert placed.branches == whole.branches
    assert placed.trace == whole.trace


def test_branches_of_one_call_decode_in_parallel(solve: Solve, toy: Toy) -> None:
    toy.together = 8
    solve(controller("b = episode.branch(8)\nreturn majority(x.answer for x in b)"))
    assert toy.most == 8


def test_what_is_written_after_a_stop_text_between_two_requests_is_waste(solve: Solve, toy: Toy) -> None:
    toy.ways = "a"
    whole = way("a", 6, 7)
    end = whole.index(STOP) + len(STOP)
    interval = end - 3
    ask = live_settings(interval=interval, stop=(STOP,))
    stepped = solve(controller("(b,) = episode.branch()\nepisode.advance(b)\nreturn b.answer"), ask=ask)
    assert stepped.answer == "42"
    assert stepped.branches[0].finished
    wasted = min(interval, len(whole) - interval) - 3
    assert stepped.cost.tokens == end + wasted
    assert stepped.cost.wasted == wasted
    # Read to its end, the branch is first asked for the rest of what may be a stop text.
    read = solve(controller("(b,) = episode.branch()\nepisode.finish(b)\nreturn b.answer"), ask=ask)
    assert (read.answer, read.cost.tokens) == ("42", end)


def test_a_budget_holds_to_the_token(solve: Solve, toy: Toy) -> None:
    read = controller(
        "b = episode.read(8)\nepisode.note(str(episode.tokens_left))\nreturn majority(x.answer for x in b)"
    )
    free = solve(read)
    lengths = [branch.tokens for branch in free.branches]
    budget = sum(lengths[:3]) + 10
    bound = solve(read, terms=Terms(budget=budget))
    assert [branch.tokens for branch in bound.branches] == [*lengths[:3], 10, 0, 0, 0, 0]
    assert [branch.finished for branch in bound.branches] == [True] * 3 + [False] * 5
    assert bound.cost.tokens == budget == bound.cost.decoded


def test_probes_can_cost_what_the_server_counted(solve: Solve) -> None:
    look = controller("(b,) = episode.branch()\nreturn b.answer")
    counted = solve(look).cost
    assert counted.tokens == counted.generated > 16
    assert solve(look, terms=Terms(probe_cost=3)).cost.tokens == 16 + 3
    assert solve(look, terms=Terms(probe_cost=0)).cost.tokens == 16


def test_refusals_are_those_of_the_rules(solve: Solve) -> None:
    body = """
seen = []
(a,) = episode.branch()
for action in (lambda: episode.probe(a), lambda: episode.branch(65), lambda: episode.advance([a, a])):
    try:
        action()
    except ActionError as error:
        seen.append(type(error).__name__)
episode.prune(a)
try:
    episode.advance(a)
except BranchPruned:
    seen.append("BranchPruned")
episode.note(" ".join(seen))
return a.answer
"""
    solution = solve(controller(body))
    (note,) = [note for note in solution.trace.column("note").to_pylist() if note]
    assert note == "AlreadyProbed NoOpenSlot DuplicateBranch BranchPruned"
    assert solution.branches[0].pruned
    assert solution.cost.decoded == 16


def test_answers_are_labels_by_first_reveal(solve: Solve) -> None:
    solution = solve(
        controller("b = episode.read(8)\nepisode.note(' '.join(repr(x.answer) for x in b))\nreturn b[0].answer")
    )
    (note,) = [note for note in solution.trace.column("note").to_pylist() if note]
    known: dict[str, int] = {}
    texts = [way(letter, 6, 7) for letter in letters(solution)]
    answers = ["" if "Answer: " not in text else text.partition("Answer: ")[2].split("\n")[0] for text in texts]
    labels = [known.setdefault(answer, len(known)) for answer in answers]
    spelt = [
        f"Answer({n})" if answer else f"Answer({n}, not parsed)" for n, answer in zip(labels, answers, strict=True)
    ]
    assert note == " ".join(spelt)
    assert "42" not in note


def test_self_consistency_of_the_same_width(solve: Solve) -> None:
    read = solve("sc").self_consistency
    assert read.known == read.branches
    pruned = solve(controller("b = episode.branch(4)\nepisode.finish(b[0])\nreturn b[0].answer"))
    assert pruned.self_consistency.known == 1
    assert pruned.self_consistency.tokens == 4 * pruned.branches[0].tokens


def test_a_servers_context_ends_a_branch(solve: Solve, toy: Toy) -> None:
    ask = live_settings()
    long = dataclasses.replace(ask, template="An example. " * 30 + ask.template)
    size = 1 + len(long.template.replace("{question}", QUESTION))
    toy.context, toy.ways = size + 30, "h"
    solution = solve(controller("(b,) = episode.branch()\nepisode.advance(b)\nreturn b.answer"), ask=long)
    assert (solution.branches[0].tokens, solution.branches[0].finished) == (30, True)
    toy.context = size
    with pytest.raises(CollectError, match=f"takes {size} with its answer"):
        solve("sc", ask=long)


def test_a_longest_trace_ends_a_branch(solve: Solve, toy: Toy) -> None:
    toy.ways = "h"
    solution = solve(controller("return episode.read()[0].answer"), ask=live_settings(max_tokens=40))
    assert (solution.branches[0].tokens, solution.branches[0].finished, solution.branches[0].depth) == (40, True, 3)


def test_the_same_seed_is_the_same_episode(solve: Solve) -> None:
    first, again, other = solve("cmc"), solve("cmc"), solve("cmc", seed=4)
    assert first.trace == again.trace
    assert first.branches == again.branches
    assert letters(first) != letters(other)


def test_two_lines(url: str, toy: Toy) -> None:
    given = {"controller": "asc", "server": url, "model": "toy", "live_settings": live_settings(), "seed": 3}
    solution = sandbox.solve("What is 12 * 12?", **given)
    assert solution.answer == "144"

    async def both() -> list[Solution]:
        return await asyncio.gather(*(sandbox.asolve(f"What is {n} * 3?", **given) for n in (5, 9)))

    assert [solution.answer for solution in asyncio.run(both())] == ["15", "27"]


def test_solving_in_a_running_loop_as_in_a_notebook(url: str, toy: Toy) -> None:
    async def cell() -> Solution:
        return autotts.solve(
            "What is 12 * 12?", controller="asc", server=url, model="toy", live_settings=live_settings(), seed=3
        )

    assert asyncio.run(cell()).answer == "144"


def test_a_chat_and_a_server_without_token_ids(url: str, toy: Toy) -> None:
    chat = sandbox.solve(QUESTION, controller="sc", server=url, model="toy", seed=3)
    assert chat.answer == "42"
    assert chat.text.endswith("\\boxed{42}.")
    toy.token_ids = False
    texts = sandbox.solve(QUESTION, controller="cmc", server=url, model="toy", live_settings=live_settings(), seed=3)
    toy.token_ids = True
    ids = sandbox.solve(QUESTION, controller="cmc", server=url, model="toy", live_settings=live_settings(), seed=3)
    assert texts.trace == ids.trace


READS = """
branches = episode.branch(2, probe=False)
episode.note(str([branch.signals["token_confidence"] for branch in branches]))
episode.advance(branches[0])
episode.finish(branches[1])
episode.note(str([(branch.depth, branch.signals["token_confidence"]) for branch in branches]))
return branches[1].answer
"""


def test_token_confidence_is_given_live(solve: Solve, toy: Toy) -> None:
    solution = solve(controller(READS))
    first, then = [ast.literal_eval(note) for note in solution.trace.column("note").to_pylist() if note]
    # −mean of −0.5, −1.5, … −19.5
    assert first == [[10.0], [10.0]]
    assert then[0][0] == 2 < then[1][0]
    assert then == [(depth, [10.0] * depth) for depth, _ in then]
    toy.requests.clear()
    solve("asc")
    traces = [body for body in toy.requests if body.get("temperature", 1) > 0 and body["max_tokens"] > 1]
    assert traces
    assert not any(body.get("logprobs") for body in traces), "nobody asks for what no controller reads"


@pytest.mark.parametrize(
    ("name", "most", "message"),
    [
        (
            "verifier",
            20,
            "mine reads the signal 'verifier', which .* cannot give live; it gives probe_confidence and tok",
        ),
        ("token_confidence", 0, "cannot give live; it gives probe_confidence$"),
    ],
)
def test_a_signal_that_the_engine_cannot_give_is_refused(
    solve: Solve, toy: Toy, name: str, most: int, message: str
) -> None:
    toy.most_logprobs = most
    with pytest.raises(ValueError, match=message):
        solve(controller(READS.replace("token_confidence", name)))


def test_confidences_are_shown(solve: Solve) -> None:
    solution = solve(controller("(b,) = episode.branch()\nepisode.note(str(b.confidence))\nreturn b.answer"))
    (note,) = [note for note in solution.trace.column("note").to_pylist() if note]
    assert np.isclose(float(note), -0.5)
