"""The failure digest, on traces told by hand."""

import pyarrow as pa

from graph.critic.digest import digests
from sandbox.evaluate import TRACES


def traces(*episodes: str) -> pa.Table:
    """Each episode is told as `action branch answer tokens` after `;`; question numbers count up."""
    rows = []
    for question, told in enumerate(episodes):
        for call, words in enumerate(told.split(";"), 1):
            action, branch, answer, tokens = words.split()
            rows.append(
                {
                    "controller": "c", "grid": "g.parquet", "beta": 0.5, "repeat": 0, "question": question,
                    "call": call,
                    "action": action, "branch": int(branch), "depth": 1, "finished": False,
                    "answer": None if answer == "-" else answer, "confidence": None, "cost": 1, "tokens": int(tokens),
                    "note": None,
                }
            )  # fmt: skip
    return pa.Table.from_pylist(rows, TRACES)


def kinds(told: str, ceiling: int = 64) -> set[str]:
    """The kinds under which one episode with gold answer 7 is counted."""
    (digest,) = digests(traces(told), "c", {"g.parquet": ["7"]}, ceiling)
    assert digest.episodes == 1
    return {kind for kind, count in digest.kinds.items() if count}


def test_a_right_episode_is_counted_nowhere() -> None:
    assert kinds("BRANCH 0 7 10; ANSWER -1 7 10") == set()


def test_wrong_although_most_branches_were_right() -> None:
    assert kinds("BRANCH 0 7 10; BRANCH 1 7 20; BRANCH 2 5 30; ANSWER -1 5 30") == {"right_majority"}


def test_the_right_answer_was_pruned() -> None:
    told = "BRANCH 0 7 10; BRANCH 1 5 20; BRANCH 2 5 30; PRUNE 0 - 30; CONTINUE 1 4 40; ANSWER -1 5 40"
    assert kinds(told) == {"right_pruned"}


def test_stopped_on_an_early_consensus_only_with_room_for_more() -> None:
    told = "BRANCH 0 7 10; BRANCH 0 5 20; BRANCH 1 5 30; ANSWER -1 5 30"
    assert kinds(told) == {"early_consensus"}
    assert kinds(told, ceiling=2) == {"outvoted"}
    assert kinds("BRANCH 0 5 10; ANSWER -1 5 10") == {"never_seen"}


def test_never_seen_and_outvoted() -> None:
    assert kinds("BRANCH 0 5 10; BRANCH 1 4 20; ANSWER -1 5 20") == {"never_seen"}
    assert kinds("BRANCH 0 5 10; BRANCH 1 4 20; BRANCH 2 7 30; ANSWER -1 5 30") == {"outvoted"}
    assert kinds("BRANCH 0 7 10; FAIL -1 - 10") == {"right_majority"}


def test_tokens_after_the_last_change_of_the_leader() -> None:
    # The leader is 5 from token 10 on; 90 of 100 tokens change nothing.
    (digest,) = digests(
        traces("BRANCH 0 5 10; BRANCH 1 5 50; CONTINUE 0 5 100; ANSWER -1 5 100"), "c", {"g.parquet": ["5"]}, 64
    )
    assert (digest.wrong, digest.idle) == (0, 0.9)


def test_an_answer_that_is_none_does_not_lead() -> None:
    (digest,) = digests(traces("BRANCH 0 ERR 10; BRANCH 1 5 20; ANSWER -1 5 20"), "c", {"g.parquet": ["5"]}, 64)
    assert digest.idle == 0


def test_examples_name_questions_and_no_answers() -> None:
    (digest,) = digests(
        traces("BRANCH 0 5 10; ANSWER -1 5 10", "BRANCH 0 4 10; ANSWER -1 4 10"), "c", {"g.parquet": ["7", "7"]}, 64
    )
    assert digest.examples["never_seen"] == ["0/0", "0/1"]
