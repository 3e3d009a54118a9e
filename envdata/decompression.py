"""Limits on the size that a compressed file may inflate to.

A few kilobytes can inflate to more than the machine's memory. The limit follows from the file's own size, so that large
data needs a large file and no setting.
"""

FREE = 256 << 20
"""Bytes that any file may inflate to."""
TIMES = 100
"""Factor by which a file may inflate beyond `FREE`. Traces shrink by factors of 3 to 20."""


def inflation_limit(size: int) -> int:
    """Return the largest size, in bytes, that a compressed file of `size` bytes may inflate to."""
    return max(FREE, TIMES * size)


def limit_exceeded(size: int) -> str:
    """Return the reason why a file that inflates beyond its limit is refused, for the end of an error message.

    Args:
        size: The size of the compressed file, in bytes.
    """
    return (
        f"inflates to more than {inflation_limit(size) >> 20:,} MiB, the limit for a file of {size:,} bytes; if that "
        "is meant, write it without compression and dictionaries"
    )
