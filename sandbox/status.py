"""The status with which an episode, or a candidate's whole process, ended. Standard library alone: workers use it."""

from enum import IntEnum, unique


@unique
class Status(IntEnum):
    """End of an episode. All but OK count as wrong with the tokens spent, and keep a candidate off the frontier."""

    OK = 0
    """The controller answered."""
    EXCEPTION = 1
    """`solve` raised."""
    CONTRACT_ERROR = 2
    """The controller breaks the API: no Controller class, a schedule that is not numbers, an answer that is not one."""
    LOAD_ERROR = 3
    """The file does not compile, or raised while it was imported."""
    TIMEOUT = 4
    """The controller did not act in time."""
    OUT_OF_MEMORY = 5
    OUTPUT_LIMIT = 6
    """It printed more than it may."""
    PROTOCOL_ERROR = 7
    """Its process ended early, or sent what the worker never sends."""
    INFRASTRUCTURE_ERROR = 8
    """The sandbox itself failed; retried, and never scored."""

    @property
    def label(self) -> str:
        """Return the status as written in results, such as `ok` or `out_of_memory`."""
        return self.name.lower()
