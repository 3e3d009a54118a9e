"""The failure digest, on traces told by hand."""

import pyarrow as pa
import pytest

from graph.analysis.traces.endings import SHOWN
from graph.analysis.traces.failure_digest import FailureDigest, failure_digests
from graph.analysis.traces.gold import ReferenceAnswers, plurality
from sandbox.evaluate import TRACES


def traces(*episodes: str) -> pa.Table:
    """Each episode is told as `action branch answer tokens` after `;`, `!` after a branch at its end.

    What comes after `#` is a remark; questions count up.
    """
    rows = []
    for question, told in enumerate(episodes):
        spent = 0
        for call, step in enumerate(told.split(";"), 1):
            words, _, note = step.partition("#")
            action, branch, answer, tokens = words.split()
            rows.append(
                {
                    "controller": "c", "grid": "g.parquet", "beta": 0.5, "repeat": 0, "question": question,
                    "call": call,
                    "action": action, "branch": int(branch.strip("!")), "depth": 1, "finished": branch.endswith("!"),
                    "answer": None if answer == "-" else answer, "confidence": None,
                    "cost": int(tokens) - spent, "tokens": int(tokens), "note": note or None,
                }
            )  # fmt: skip
            spent = int(tokens)
    return pa.Table.from_pylist(rows, TRACES)


def digest(*told: str, finals: str = "", ceiling: int = 64, gold: str = "7") -> FailureDigest:
    """Of episodes whose gold answer is 7; `finals` are the final answers of every question's branches."""
    recorded = ReferenceAnswers([gold] * len(told), [finals.split()] * len(told))
    (found,) = failure_digests(traces(*told), "c", {"g.parquet": recorded}, ceiling)
    assert found.episodes == len(told)
    return found


def kinds(told: str, finals: str = "", ceiling: int = 64) -> set[str]:
    """The kinds under which one episode is counted."""
    return {kind for kind, count in digest(told, finals=finals, ceiling=ceiling).kinds.items() if count}


def test_a_right_episode_is_counted_nowhere() -> None:
    assert kinds("BRANCH 0 7 10; ANSWER -1 7 10") == set()


def test_wrong_although_most_branches_were_right() -> None:
    told = "BRANCH 0 5 10; BRANCH 1 5 20; CONTINUE 1 7 30; CONTINUE 0 7 40; BRANCH 2 5 50; ANSWER -1 5 50"
    assert kinds(told) == {"right_majority", "right_led"}
    assert kinds("BRANCH 0 5 30; BRANCH 1 7 30; BRANCH 2 7 30; ANSWER -1 5 30") >= {"right_majority"}


def test_the_right_answer_was_pruned() -> None:
    told = "BRANCH 0 5 10; BRANCH 1 5 20; BRANCH 2 7 30; PRUNE 2 - 30; CONTINUE 1 4 40; ANSWER -1 5 40"
    assert kinds(told) == {"right_pruned"}


def test_stopped_on_an_early_consensus_only_with_room_for_more() -> None:
    told = "BRANCH 0 5 10; BRANCH 1 7 20; CONTINUE 1 5 30; ANSWER -1 5 30"
    assert kinds(told) == {"early_consensus"}
    assert kinds(told, ceiling=2) == {"outvoted"}
    assert kinds("BRANCH 0 5 10; ANSWER -1 5 10") == {"never_seen"}


def test_never_seen_outvoted_and_given_away() -> None:
    assert kinds("BRANCH 0 5 10; BRANCH 1 4 20; ANSWER -1 5 20") == {"never_seen"}
    assert kinds("BRANCH 0 5 10; BRANCH 1 4 20; BRANCH 2 7 30; ANSWER -1 5 30") == {"outvoted"}
    assert kinds("BRANCH 0 7 10; FAIL -1 - 10") == {"right_majority", "right_led"}
    assert kinds("BRANCH 0 7 10; BRANCH 1 5 20; BRANCH 2 5 30; ANSWER -1 5 30") == {"right_led"}


def test_stopped_short_is_told_from_too_narrow_by_where_the_branches_would_have_ended() -> None:
    told = "BRANCH 0 5 10; BRANCH 1 4 20; ANSWER -1 5 20"
    assert "stopped_short" in kinds(told, finals="7 7 5 5 5")
    assert kinds(told, finals="5 4 7 7 7") == {"never_seen", "too_narrow"}
    # The branches beyond the ceiling cannot be opened.
    assert kinds(told, finals="5 4 7 7 7", ceiling=3) == {"never_seen"}
    read = "READ 0! 5 10; READ 1! 4 20; ANSWER -1 5 20"
    assert "stopped_short" not in kinds(read, finals="5 4 7 7 7")


def test_a_right_episode_that_went_on_for_nothing_spent_too_long() -> None:
    told = "BRANCH 0 7 10; BRANCH 1 5 50; CONTINUE 0 7 100; ANSWER -1 7 100"
    assert kinds(told) == {"overspent"}
    assert digest(told).wrong == 0


def test_tokens_after_the_last_change_of_the_leader() -> None:
    # The leader is 5 from token 10 on; 90 of 100 tokens change nothing.
    found = digest("BRANCH 0 5 10; BRANCH 1 5 50; CONTINUE 0 5 100; ANSWER -1 5 100", gold="5")
    assert (found.wrong, found.idle) == (0, 0.9)


def test_an_answer_that_is_none_does_not_lead() -> None:
    assert digest("BRANCH 0 ERR 10; BRANCH 1 5 20; ANSWER -1 5 20").idle == 0


def test_losses_are_told_apart_on_each_grid() -> None:
    found = digest("BRANCH 0 5 10; ANSWER -1 5 10", "BRANCH 0 7 10; BRANCH 1 4 20; ANSWER -1 4 20")
    assert (found.kinds["never_seen"], found.wrong, found.lost) == (1, 2, [(1, 2)])
    assert found.calls == 2.5


def test_spending_is_told_by_action_and_by_what_became_of_the_branch() -> None:
    found = digest(
        "BRANCH 0 5 10; BRANCH 1 4 20; PRUNE 1 - 20; CONTINUE 0! 5 30; ANSWER -1 5 30", "READ 0! 5 10; ANSWER -1 5 10"
    )
    assert found.spending == {"BRANCH": 0.5, "CONTINUE": 0.25, "READ": 0.25}
    assert found.on_pruned == 0.25
    assert found.width == 1.5
    assert found.read == 0.75


def test_stops_are_told_with_remarks_of_which_numbers_and_controls_are_taken_out() -> None:
    told = [f"BRANCH 0 5 10; NOTE -1 - 10#stopped: {n} of 9\x1b[31m; ANSWER -1 5 10" for n in range(3)]
    told += ["READ 0! 7 10; ANSWER -1 7 10", "BRANCH 0 5 10; ANSWER -1 - 10", "BRANCH 0 5 10; FAIL -1 - 10"]
    found = digest(*told).stops
    assert [(stop.end, stop.said, stop.episodes, stop.right) for stop in found] == [
        ("stopped", "stopped: … of … […m", 3, 0),
        ("all_read", None, 1, 1),
        ("no_answer", None, 1, 0),
        ("failed", None, 1, 0),
    ]


def test_only_the_most_frequent_ways_to_stop_are_told() -> None:
    told = [f"BRANCH 0 5 10; NOTE -1 - 10#{'abcdefghij'[n]}; ANSWER -1 5 10" for n in range(10)]
    assert len(digest(*told).stops) == SHOWN


@pytest.mark.parametrize(
    ("answers", "winner"), [("5 5 4", "5"), ("5 4", None), ("", None), ("ERR ERR 4", "4"), ("? No", None)]
)
def test_a_plurality_is_a_clear_lead_among_answers(answers: str, winner: str | None) -> None:
    assert plurality(answers.split()) == winner
