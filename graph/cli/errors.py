"""Errors that a user can mend: their text is the whole message."""

from envdata.cluster import ClusterError
from envdata.grid import GridError
from graph.configuration import ConfigurationError
from graph.explorers.base import ExplorerError
from graph.objective import ObjectiveError
from graph.settings import RunError
from sandbox.backends.base import SandboxUnavailable
from sandbox.candidate import CandidateError
from sandbox.host import CandidateFailed, InfrastructureError

USER_ERRORS: tuple[type[Exception], ...] = (
    ConfigurationError,
    GridError,
    ClusterError,
    CandidateError,
    CandidateFailed,
    SandboxUnavailable,
    InfrastructureError,
    RunError,
    ObjectiveError,
    ExplorerError,
)
