"""Live inference with a controller: one sandbox per question, and a served model that decodes its branches."""

from sandbox.live.api import asolve, solve
from sandbox.live.solution import Cost, LateError, Solution, SolveError
from sandbox.live.solver import Solver

__all__ = ["Cost", "LateError", "Solution", "SolveError", "Solver", "asolve", "solve"]
