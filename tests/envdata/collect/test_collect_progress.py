import io

from envdata.collect.progress import Progress


def test_rate_and_time_left_come_from_this_run_alone():
    now = [0.0]
    log = io.StringIO()
    progress = Progress(10, 4, log, lambda: now[0])
    assert progress.line() == "4/10 questions, 0 tokens, 0 tokens/s"
    now[0] = 50.0
    progress.tokens(1000)
    progress.question()
    assert progress.line() == "5/10 questions, 1,000 tokens, 20 tokens/s, 4 min left"
    progress.end()
    # A log gets a line at the start, then one every ten seconds, and the last state.
    assert log.getvalue().count("\n") == 2
