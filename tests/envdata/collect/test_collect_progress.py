import io

from envdata.collect.progress import CollectionProgress
from envdata.progress import duration


def test_rate_and_time_left_come_from_this_collection_alone():
    now = [0.0]
    log = io.StringIO()
    progress = CollectionProgress(10, 4, log, lambda: now[0])

    def lines() -> list[str]:
        return log.getvalue().splitlines()

    now[0] = 50.0
    with progress:
        progress.tokens(1000)
        assert lines()[-1] == "collect: 4 of 10 questions, 1,000 tokens, 20 tokens/s"
        # A log gets a line every ten seconds.
        progress.question()
        assert len(lines()) == 1
        now[0] = 60.0
        progress.under_way(500)
        assert lines()[-1] == "collect: 5 of 10 questions, 1,500 tokens, 25 tokens/s, about 5 min left"
        # What was under way has finished, and is not counted yet.
        now[0] = 75.0
        progress.under_way(0)
        assert lines()[-1] == "collect: 5 of 10 questions, 1,500 tokens, 20 tokens/s, about 6 min left"
        progress.tokens(500)
        progress.under_way(100)
        progress.failed("What is it?", "nobody knows")
    progress.summary()
    assert lines()[-2:] == [
        "left out: 'What is it?': nobody knows",
        "collect: 5 of 10 questions, 1,600 tokens, 21 tokens/s, about 6 min left",
    ]


def test_a_terminal_gets_a_bar_and_lines_that_stay():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with CollectionProgress(4, 0, screen) as progress:
        progress.question()
        progress.failed("What is [red]it?", "nobody knows")
    progress.summary()
    assert "left out: 'What is [red]it?': nobody knows" in screen.getvalue()
    assert "collect: 1 of 4 questions, 0 tokens, 0 tokens/s" in screen.getvalue().splitlines()[-1]


def test_durations_are_rounded_to_their_unit():
    assert [duration(seconds) for seconds in (5, 89, 90, 5399, 5400)] == ["5 s", "89 s", "2 min", "90 min", "1.5 h"]
