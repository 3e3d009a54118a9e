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
    progress.under_way(500)
    assert progress.line() == "5/10 questions, 1,500 tokens, 30 tokens/s, 4 min left"
    # What was under way has finished, and is not counted yet.
    progress.under_way(0)
    assert progress.line() == "5/10 questions, 1,500 tokens, 30 tokens/s, 4 min left"
    progress.tokens(500)
    progress.under_way(100)
    assert progress.line() == "5/10 questions, 1,600 tokens, 32 tokens/s, 4 min left"
    progress.end()
    # A log gets a line at the start, then one every ten seconds, and the last state.
    assert log.getvalue().count("\n") == 2
