"""Tools that list grids and evaluate, compare and explain controllers on them. No result spells an answer."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from envdata.episodes import Terms
from envdata.intervals import Interval
from graph.analysis import comparison_result, evaluation_result, explanation_tables
from graph.analysis.evaluation import checked_betas, compare_candidates, evaluate_candidates
from graph.analysis.explanation import explain
from graph.analysis.grid_description import describe
from graph.serve.mcp.work import Progress, ToolContext, Work
from graph.serve.mcp.workplace import ControllerArgument, Workplace
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator
from sandbox.replay_player import EvaluationSettings
from sandbox.run_secret import new_secret

Controllers = Annotated[list[ControllerArgument], Field(min_length=1, max_length=16)]
Grids = Annotated[list[str] | None, Field(description="Names that list_grids shows; all of them if left out.")]
Betas = Annotated[list[float], Field(min_length=1, max_length=101, description="Values of β in 0 … 1.")]
Repeats = Annotated[int, Field(ge=1, le=1000, description="Branch orders; each is an episode a question, grid and β.")]
Budget = Annotated[int | None, Field(ge=1, description="Limit on the tokens of an episode.")]
ProbeCost = Annotated[int | None, Field(ge=0, description="Tokens of a probe; the grid's own if left out.")]
BETAS = [0.0, 0.25, 0.5, 0.75, 1.0]
REPEATS = 8
"""Default number of balanced branch orders: enough to read every branch of a question equally often."""


class EvaluationTools:
    """Tools over the grids of a server."""

    def __init__(self, workplace: Workplace, work: Work) -> None:
        """Prepare the tools; random numbers of controllers come from one secret as long as the server runs."""
        self._workplace, self._work = workplace, work
        self._secret = new_secret()

    @property
    def tools(self) -> list[Callable[..., Any]]:
        """The tools of this class."""
        return [self.list_grids, self.grid_info, self.evaluate, self.compare, self.explain]

    def list_grids(self) -> dict[str, Any]:
        """List the replay grids of this server: number of questions and branches, and Δ in tokens."""
        grids = self._workplace.grids(None)
        return {
            "grids": [
                {
                    "grid": name,
                    "questions": len(grid.questions),
                    "branches": int(grid.branches.sum()),
                    "interval": grid.interval,
                }
                for name, grid in grids.items()
            ]
        }

    def grid_info(self, grid: Annotated[str, Field(description="Name that list_grids shows.")]) -> dict[str, Any]:
        """Return a grid's size, the accuracy that it allows, and its signals."""
        facts = describe(self._workplace.grids([grid])[grid])
        # It may say where questions and answers come from.
        return {name: value for name, value in facts.items() if name not in ("provenance", "grid")} | {"grid": grid}

    async def evaluate(
        self,
        context: ToolContext,
        controllers: Controllers,
        grids: Grids = None,
        betas: Betas = BETAS,
        repeats: Repeats = REPEATS,
        budget: Budget = None,
        probe_cost: ProbeCost = None,
    ) -> dict[str, Any]:
        """Evaluate controllers by replay, in a sandbox; no model is called.

        Returns a row for each controller, grid and β, and for the mean over grids: accuracy in percent with its 95 %
        interval over questions, mean tokens and sequential tokens of an episode, and failures with the first one's
        message. With `sc` among the controllers, also each one against self-consistency.
        """
        candidates = [self._workplace.candidate(each) for each in controllers]
        _check_names(candidates)
        played = tuple(self._workplace.grids(grids))

        def act(evaluator: Evaluator, progress: Progress) -> dict[str, Any]:
            result = evaluate_candidates(
                evaluator, candidates, played, checked_betas(betas), repeats, progress=progress
            )
            against = {
                name: {
                    "tokens_saved_percent": _interval(found.saving),
                    "accuracy_percent": _interval(found.accuracy),
                    "difference_percent": _interval(found.difference),
                    "gain_percent": _interval(found.gain),
                }
                for name, found in result.against_sc.items()
            }
            return {
                "rows": [evaluation_result.as_object(row) for row in result.rows],
                "against_sc": against,
                "given_up": [str(each) for each in result.given_up],
                "sandbox": result.sandbox,
                "repeats": repeats,
            }

        return _compact(await self._work.evaluate(context, "evaluate", self._settings(budget, probe_cost), act))

    async def compare(
        self,
        context: ToolContext,
        a: ControllerArgument,
        b: ControllerArgument,
        grids: Grids = None,
        betas: Betas = BETAS,
        repeats: Repeats = REPEATS,
        budget: Budget = None,
        probe_cost: ProbeCost = None,
    ) -> dict[str, Any]:
        """Compare two controllers on the same episodes, in a sandbox; no model is called.

        Returns differences A − B, paired over questions, with 95 % intervals: accuracy and tokens at each β, areas
        under the curves, and the share of tokens that A saves at B's best accuracy. A difference whose interval
        contains 0 is none.
        """
        first, second = self._workplace.candidate(a), self._workplace.candidate(b)
        played = tuple(self._workplace.grids(grids))

        def act(evaluator: Evaluator, progress: Progress) -> dict[str, Any]:
            result = compare_candidates(
                evaluator, first, second, played, checked_betas(betas), repeats, progress=progress
            )
            values = comparison_result.as_object(result.comparison, played, repeats)
            values["by_grid"] = {
                grid: comparison_result.as_object(own, (grid,), repeats) for grid, own in result.by_grid.items()
            }
            return values

        return _compact(await self._work.evaluate(context, "compare", self._settings(budget, probe_cost), act))

    async def explain(
        self,
        context: ToolContext,
        controller: ControllerArgument,
        grids: Grids = None,
        betas: Betas = BETAS,
        repeats: Repeats = REPEATS,
        at: Annotated[
            float | None, Field(ge=0, le=1, description="β at which knobs are moved; the middle if left out.")
        ] = None,
        budget: Budget = None,
        probe_cost: ProbeCost = None,
    ) -> dict[str, Any]:
        """Explain a controller by replay, in a sandbox: its knobs over β, which of them matters, and how episodes end.

        `words` has it in sentences. Each knob is moved alone to its values at the smallest and the largest β; what it
        changes is paired over questions. Digests count kinds of failure in the traces of repeat 0.
        """
        candidate = self._workplace.candidate(controller)
        played, swept = tuple(self._workplace.grids(grids)), sorted(set(betas))
        middle = swept[len(swept) // 2] if at is None else at

        def act(evaluator: Evaluator, progress: Progress) -> dict[str, Any]:
            return explanation_tables.as_object(
                explain(
                    evaluator, candidate, played, checked_betas(swept), repeats, reference=middle, progress=progress
                )
            )

        return _compact(await self._work.evaluate(context, "explain", self._settings(budget, probe_cost), act))

    def _settings(self, budget: int | None, probe_cost: int | None) -> EvaluationSettings:
        """Return the settings of an evaluation: those of a run with the same terms. Answers are never shown."""
        return EvaluationSettings(
            terms=Terms(budget=budget, probe_cost=probe_cost), secret=self._secret, order="balanced"
        )


def _check_names(candidates: list[Candidate]) -> None:
    labels = [each.label for each in candidates]
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is not None:
        raise ToolError(f"two controllers are called {repeated!r}; rename one")


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    value = interval.times(100)
    return {"value": value.value, "low": value.low, "high": value.high}


def _compact(values: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its floats at six significant digits, as results are read by models."""
    return {key: _rounded(value) for key, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return _compact(value)
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
