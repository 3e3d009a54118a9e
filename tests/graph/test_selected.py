"""What a result says against the candidate that it selects."""

from collections.abc import Callable

import pytest

from graph.explorers.base import Explorer
from graph.loop.context import Context
from graph.loop.machine import run
from graph.loop.nodes.finale import result
from graph.report.run_summary import caveats
from graph.run.paths import read_json
from tests.graph.test_loop import Scripted

Make = Callable[[Explorer], Context]

COUNTING = '''
from sandbox.tts import Controller, majority


class Counting(Controller):
    """Reads branches to their ends, and answers by a rule."""

    @staticmethod
    def schedule(beta):
        return {"width": round(1 + 11 * beta)}

    def solve(self, episode):
        answers = [branch.answer for branch in episode.read(self.knobs["width"])]
        return RULE(answers)
'''


@pytest.mark.parametrize(("rule", "broken"), [("majority", []), ("max", ["renamed"])])
def test_a_selected_candidate_that_breaks_invariance_is_named(make_context: Make, rule: str, broken: list[str]) -> None:
    context = make_context(Scripted([COUNTING.replace("RULE", rule)]))
    run(context)
    contract = read_json(context.folder.round(1).measures)["r1-01"]["contract"]
    # Whatever scored best on this grid: what would be said had it been this one.
    said = result(context, "r1-01", 1, {"round": 2})
    assert said["breaks_invariance"] == broken
    assert said["same_as"] == contract["same_as"]
    assert bool(broken) == any("when answers were renamed" in line for line in caveats(said))


def test_what_speaks_against_a_candidate_is_said_in_words() -> None:
    said = caveats({"same_as": "sc", "breaks_invariance": ["by_itself", "reordered"]})
    assert said == [
        "  it acts exactly as sc does: a duplicate",
        "  it breaks the contract: some episodes ended otherwise when played again, and when questions came in another "
        "order",
    ]
    assert caveats({}) == []
