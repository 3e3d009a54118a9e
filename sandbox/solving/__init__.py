"""A controller at work: one question, one sandbox, and a model that decodes while the controller decides."""

from sandbox.solving.solution import Cost, LateError, Solution, SolveError
from sandbox.solving.solver import Solver
from sandbox.solving.two_lines import asolve, solve

__all__ = ["Cost", "LateError", "Solution", "SolveError", "Solver", "asolve", "solve"]
