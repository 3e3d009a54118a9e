"""Settings of a discovery run and of its model calls.

A new setting is one field here: its option, its names in `autotts.toml`, in variables and in studies, its line in
`run.toml` and its field in LangGraph's Studio follow from it. Since runs of earlier versions lack it, it is declared
with `Option(later=True)`.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from envdata.branch_orders import ORDERS
from envdata.episodes import MAX_BRANCHES, Terms
from envdata.grid_names import grid_file
from graph.analysis.objective import FORMS, REFERENCE, Objective
from graph.run.files import RunError
from graph.run.roles import DEFAULT_SHARES, NO_ROLES, read_shares
from graph.run.setting_fields import Option, SettingsModel, settings_of
from graph.run.setting_values import (
    ALLOCATIONS,
    EFFORTS,
    SIDE_BY_SIDE,
    TURNS,
    read_baselines,
    read_betas,
    read_list,
    read_price,
    read_probe_cost,
    read_thinking,
    read_url,
)
from sandbox.backends.base import Limits
from sandbox.candidate import PAPER_BASELINES, USUAL_BASELINES
from sandbox.evaluation_plan import MOST_REPEATS
from sandbox.replay_player import EvaluationSettings
from sandbox.run_secret import new_secret

Names = Annotated[tuple[str, ...], BeforeValidator(read_list)]
AtLeastOne = Annotated[int, Field(ge=1)]
BranchOrders = Annotated[int, Field(ge=1, le=MOST_REPEATS)]


def _check_objective(text: str) -> str:
    """Return the text of an objective. Raises ValueError if it cannot be parsed."""
    Objective.parse(text)
    return text


def _check_roles(text: str) -> str:
    """Return the text of shares of roles. Raises ValueError if it cannot be parsed."""
    read_shares(text)
    return text


class RunSettings(SettingsModel):
    """Settings that a run's results depend on; `run.toml` pins them, with hashes of grids and versions of packages."""

    grids: Annotated[Names, Option(flag="--grid", metavar="FILE|NAME", default="the bundled one")]
    """A grid to search on; may be given again."""
    heldout: Annotated[Names, Option(metavar="FILE|NAME", default="the bundled one", scores=False)] = ()
    """A held-out grid, used only at the end and seen by no candidate; may be given again."""
    rounds: AtLeastOne = 5
    """Rounds of proposals."""
    candidates: AtLeastOne = 12
    """Candidates per round."""
    finalists: AtLeastOne = 3
    """Candidates per round that are evaluated in full, at most: the best of the screening."""
    race: bool = True
    """Drop candidates that are clearly behind; without it, all are evaluated in full."""
    screening_repeats: BranchOrders = 2
    """Branch orders of the screening."""
    repeats: BranchOrders = 8
    """Branch orders; eight balanced ones read every branch of a question equally often."""
    order: Annotated[str, Option(choices=tuple(ORDERS))] = "balanced"
    """Rule for branch orders."""
    betas: Annotated[tuple[float, ...], BeforeValidator(read_betas), Option(metavar="BETAS", default="0:1:0.1")] = (
        *(round(i / 10, 1) for i in range(11)),
    )
    """Values of β, as 0,0.5,1 or 0:1:0.1."""
    seed: Annotated[int, Option(in_study="seeds above")] = 0
    """Seed of branch orders and of explorers' random choices."""
    explorers: Annotated[
        Names,
        Option(flag="--explorer", metavar="NAME[:…]", entrusted=True, scores=False, in_study="explorers above"),
    ] = ("evolution",)
    """Explorer that writes controllers: evolution, anthropic:MODEL, openai:MODEL, langchain:PROVIDER:MODEL, vllm:PATH,
    folder:PATH, recorded:RUN …; several take turns, unless --allocate says otherwise."""
    allocate: Annotated[str, Option(choices=ALLOCATIONS, scores=False, later=True)] = TURNS
    """Division of rounds among several explorers: one a round in turn, equal shares of each, or a bandit that gives
    more of each round to explorers whose candidates gain more for what they cost."""
    critic: Annotated[str | None, Option(metavar="NAME[:…]", absent="the explorer", entrusted=True, scores=False)] = (
        None
    )
    """The model that interprets measurements."""
    historian: Annotated[
        str | None,
        Option(metavar="NAME[:…]", absent="the explorer", entrusted=True, scores=False, later=True),
    ] = None
    """The model that consolidates what was learnt."""
    consolidate_every: Annotated[AtLeastOne, Option(scores=False, later=True)] = 3
    """Rounds after which what was learnt is consolidated into one page, which briefs carry instead of those rounds."""
    base_url: Annotated[
        str | None,
        BeforeValidator(read_url),
        Option(metavar="URL", absent="the provider's", entrusted=True, scores=False),
    ] = None
    """An OpenAI-compatible server for openai:MODEL."""
    price: Annotated[
        tuple[float, float] | None,
        BeforeValidator(read_price),
        Option(metavar="IN,OUT", absent="looked up", entrusted=True, scores=False),
    ] = None
    """Dollars per million tokens."""
    max_cost: Annotated[
        float | None, Field(gt=0), Option(metavar="DOLLARS", absent="unlimited", entrusted=True, scores=False)
    ] = None
    """Limit on the cost of all model calls."""
    max_minutes: Annotated[float | None, Field(gt=0), Option(metavar="MINUTES", absent="unlimited", scores=False)] = (
        None
    )
    """Time limit of the search, without the held-out evaluation."""
    max_tokens: Annotated[int | None, Field(ge=1), Option(absent="unlimited", entrusted=True, scores=False)] = None
    """Limit on the tokens of all model calls, in and out."""
    max_calls: Annotated[int | None, Field(ge=1), Option(absent="unlimited", later=True, scores=False)] = None
    """Limit on the number of model calls, of proposals, critiques and all others together."""
    brief_tokens: Annotated[AtLeastOne, Option(scores=False)] = 32_000
    """Limit on the tokens of a prompt, which is shortened to it in a stated order."""
    max_output: Annotated[AtLeastOne, Option(scores=False)] = 16_000
    """Limit on the tokens of a reply, thinking included."""
    thinking: Annotated[
        int | str | None,
        BeforeValidator(read_thinking),
        Option(metavar="TOKENS|adaptive|off", absent="the model's default", scores=False),
    ] = None
    """Extended thinking."""
    effort: Annotated[str | None, Option(choices=EFFORTS, absent="the model's default", scores=False)] = None
    """Effort of the model's reasoning."""
    temperature: Annotated[float | None, Field(ge=0), Option(absent="the model's default", scores=False)] = None
    """Temperature of sampling."""
    no_feedback: Annotated[bool, Option(ablation=True)] = False
    """Independent samples, for comparison: every round without history."""
    no_beta: Annotated[bool, Option(ablation=True)] = False
    """Ablation: free knobs instead of one β."""
    no_traces: Annotated[bool, Option(ablation=True)] = False
    """Ablation: without the digest of traces."""
    no_critic: Annotated[bool, Option(ablation=True)] = False
    """Ablation: briefs without measurements and diagnoses, which are not made."""
    no_history: Annotated[bool, Option(ablation=True)] = False
    """Ablation: of earlier rounds, briefs show only the last one's best."""
    no_consolidation: Annotated[bool, Option(ablation=True, scores=False, later=True, earlier=True)] = False
    """Ablation: briefs carry every earlier round, and no page of what is known is made."""
    agent_tries: Annotated[int, Field(ge=0), Option(scores=False)] = 10
    """Drafts that a coding agent may have evaluated per round."""
    agent_minutes: Annotated[float, Field(gt=0), Option(scores=False)] = 30.0
    """Time limit of a coding agent per round."""
    research_data: Annotated[bool, Option(later=True, scores=False)] = False
    """Lay the search set into the explorer's folder as arrays without text, with the codes of the right answers, for
    folder:PATH and coding agents to study."""
    approve: Annotated[bool, Option(scores=False, in_study="runs of their own")] = False
    """Pause before each execution of candidates until a person approves."""
    checkpoints: Annotated[str, Option(metavar="sqlite|URL", entrusted=True, scores=False)] = "sqlite"
    """Store of LangGraph's checkpoints: a file in the run's folder, or a PostgreSQL URL."""
    objective: Annotated[str, AfterValidator(_check_objective), Option(help=f"{FORMS}.")] = "gain"
    sandbox: Annotated[str, Option(metavar="auto|docker|bubblewrap|process", entrusted=True, scores=False)] = "auto"
    """Isolation of controllers."""  # Once a run has started, never `auto`.
    budget: Annotated[int | None, Field(ge=1), Option(absent="unlimited")] = None
    """Limit on the tokens of an episode."""
    probe_cost: Annotated[
        int | None,
        Field(ge=0),
        BeforeValidator(read_probe_cost),
        Option(metavar="TOKENS|free|recorded", absent="recorded"),
    ] = None
    """Cost of a probe; recorded: the grid's own, 0 where it records none."""
    prefill_weight: Annotated[float, Field(ge=0, lt=float("inf")), Option(later=True)] = 0.0
    """Cost of a token of prefill that a probe needs, in decoded tokens, where a grid records prefill."""
    max_branches: AtLeastOne = MAX_BRANCHES
    """Limit on the branches of an episode."""
    max_source: Annotated[AtLeastOne, Option(metavar="BYTES", later=True)] = Limits.source_bytes
    """Limit on the source of a controller."""
    baselines: Annotated[
        tuple[str, ...],
        BeforeValidator(read_baselines),
        Option(metavar="NAME…", default="all shipped controllers but best_of", later=True, earlier=PAPER_BASELINES),
    ] = USUAL_BASELINES
    """Shipped controllers that are evaluated first and shown to the explorer, as sc,asc; paper: those of the paper."""
    latency: Annotated[float, Field(ge=0, le=1), Option(metavar="WEIGHT", later=True)] = 0.0
    """Weight w of latency: objective and frontier charge tokens^(1 − w) · sequential tokens^w, not tokens alone."""

    roles: Annotated[
        str, AfterValidator(_check_roles), Option(metavar="SHARES|off", later=True, earlier=NO_ROLES, scores=False)
    ] = DEFAULT_SHARES
    """Shares of the roles that a round's candidates get: refine, combine, new, cheaper, worst."""
    resend: Annotated[bool, Option(later=True, earlier=False, scores=False)] = True
    """Send proposals that act as an earlier candidate or a baseline does back to the explorer, once a round."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if isinstance(self.thinking, int) and not self.thinking < self.max_output:
            raise RunError(
                f"thinking is {self.thinking} of max_output {self.max_output} tokens; give more than 0, and leave some "
                "for the reply"
            )
        if not self.explorers:
            raise RunError("there is no explorer; give --explorer evolution, or another")
        if not self.grids:
            raise RunError("there is no grid to search on; give --grid FILE")
        if not self.betas:
            raise RunError("there is no value of β; give --betas as in 0:1:0.1")
        if Objective.parse(self.objective).relative and REFERENCE not in self.baselines:
            raise RunError(
                f"objective {self.objective} compares with self-consistency, and baselines leave {REFERENCE} out; "
                "add it, or give another objective, as area"
            )
        searched = {grid_file(grid).resolve() for grid in self.grids}
        both = sorted(grid for grid in self.heldout if grid_file(grid).resolve() in searched)
        if both:
            raise RunError(
                f"{both[0]} is both searched on and held out; give a held-out grid that the search does not see"
            )
        return self

    @property
    def explorer(self) -> str:
        """The explorers as text, joined by ", " if they take turns, " + " for equal shares and " / " for a bandit."""
        return {TURNS: ", ", SIDE_BY_SIDE: " + "}.get(self.allocate, " / ").join(self.explorers)

    def evaluation(self, secret: bytes | None = None) -> EvaluationSettings:
        """Return the settings of evaluations.

        Args:
            secret: Source of random numbers in controllers; None: a new one.
        """
        return EvaluationSettings(
            Terms(self.max_branches, self.budget, self.probe_cost, prefill_weight=self.prefill_weight),
            Limits(source_bytes=self.max_source),
            seed=self.seed,
            secret=secret or new_secret(),
            order=self.order,
        )

    @property
    def traced(self) -> frozenset[float]:
        """The β whose episodes are traced: the first, the middle one and the last."""
        return frozenset({self.betas[0], self.betas[len(self.betas) // 2], self.betas[-1]})


class ModelCallSettings(SettingsModel):
    """Settings of model calls; `run.toml` does not pin them, and a resume may change them."""

    timeout: Annotated[float, Field(gt=0), Option(metavar="SECONDS")] = 600.0
    """Time without output after which a request counts as failed."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Retries of a request that failed temporarily."""
    concurrent_requests: Annotated[AtLeastOne, Option(flag="--at-once")] = 4
    """Requests to a model at a time."""


SETTINGS = settings_of(RunSettings)
"""The settings of a run, by name."""
