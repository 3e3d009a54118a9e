"""Places at which a finished trace is cut, and the text that makes a cut trace answer."""


def recorded_intervals(tokens: int, interval: int) -> int:
    """Return L, the number of cuts in a branch: ceil(tokens / interval) − 1.

    The rest after the last cut has 1 to `interval` tokens, so that a finished branch always costs more than its last
    probe, and no probe sees the whole branch.

    Args:
        tokens: The length of the branch, from 1.
        interval: Δ in tokens, from 1.

    Raises:
        ValueError: A number is below 1.
    """
    if tokens < 1 or interval < 1:
        raise ValueError(f"a branch of {tokens} tokens and an interval of {interval}: both start at 1")
    return (tokens - 1) // interval


def cuts(tokens: int, interval: int) -> range:
    """Return the lengths, in tokens, of the prefixes that are probed: interval, 2 · interval, …, L · interval."""
    return range(interval, recorded_intervals(tokens, interval) * interval + 1, interval)


def closing_after(prefix: str, closing: str) -> str:
    r"""Return the text to append to `prefix` to make the model answer: `closing`, less a beginning that is there.

    A cut can fall inside the closing that the trace writes of its own accord. To append the whole closing there would
    probe a text unlike any trace ("…\nAnswer\nAnswer:").
    """
    shared = next(size for size in range(len(closing), -1, -1) if prefix.endswith(closing[:size]))
    return closing[shared:]
