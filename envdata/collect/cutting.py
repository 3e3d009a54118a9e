"""Where a finished trace is cut, and how a cut trace is made to answer."""


def recorded_intervals(tokens: int, interval: int) -> int:
    """L, the number of cuts in a branch of `tokens` tokens: ceil(tokens / interval) - 1.

    What follows the last cut is 1 to `interval` tokens long, so that a finished branch has always cost something more
    than its last probe, and a probe never sees the whole branch.
    """
    if tokens < 1 or interval < 1:
        raise ValueError(f"a branch of {tokens} tokens and an interval of {interval}: both start at 1")
    return (tokens - 1) // interval


def cuts(tokens: int, interval: int) -> range:
    """Lengths, in tokens, of the prefixes that are probed: interval, 2 * interval, …, L * interval."""
    return range(interval, recorded_intervals(tokens, interval) * interval + 1, interval)


def closing_after(prefix: str, closing: str) -> str:
    """What is appended to `prefix` to make the model answer: `closing`, less what the prefix ends with of it already.

    A cut falls anywhere, also inside the closing that the trace writes of its own accord. To append it again there
    would probe a text that no trace looks like ("…\\nAnswer\\nAnswer:").
    """
    shared = next(size for size in range(len(closing), -1, -1) if prefix.endswith(closing[:size]))
    return closing[shared:]
