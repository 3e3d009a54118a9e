"""Prometheus metrics of the endpoint."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from envdata.live.episode import LiveEpisode
from graph.accounting.usage import Usage
from graph.analysis.solution_cost import Dollars
from graph.analysis.token_prices import LivePrices
from sandbox.live import Cost, Solution, Solver
from sandbox.live.solution import cost_so_far

SECONDS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BRANCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one endpoint, in a registry of their own."""

    def __init__(self, prices: LivePrices | None = None) -> None:
        """Register the metrics, all at 0; those in dollars only with prices."""
        self.registry = CollectorRegistry()
        self._prices = prices
        labels = ("controller",)
        self._requests = Counter(
            "autotts_requests", "Requests by how they ended.", (*labels, "status"), registry=self.registry
        )
        self._tokens = Counter(
            "autotts_tokens", "Tokens as the upstream counted them; probe, wasted and estimated ones are among the "
            "generated. Estimated are those of streams that were closed, which no server tells. Sequential ones are "
            "charged along the longest path, a measure of time.",
            (*labels, "kind"), registry=self.registry,
        )  # fmt: skip
        self._calls = Counter("autotts_upstream_requests", "Requests to the upstream.", labels, registry=self.registry)
        self._judge_tokens = Counter(
            "autotts_judge_tokens", "Tokens of the judge, which are in no other figure.", (*labels, "kind"),
            registry=self.registry,
        )  # fmt: skip
        self._judge_calls = Counter("autotts_judge_requests", "Requests to the judge.", labels, registry=self.registry)
        self._fallbacks = Gauge(
            "autotts_fallback_requests",
            "Requests that a fallback of the upstream has answered.",
            registry=self.registry,
        )
        self._failures = Counter(
            "autotts_failures", "Episodes that failed, by what failed.", (*labels, "by"), registry=self.registry
        )
        self._seconds = Histogram(
            "autotts_solve_seconds", "From question to answer.", labels, buckets=SECONDS, registry=self.registry
        )
        self._branches = Histogram(
            "autotts_branches", "Branches opened for a question.", labels, buckets=BRANCHES, registry=self.registry
        )
        self._passed = Counter(
            "autotts_passed_requests", "Requests handed on to the upstream, by how they ended.", ("status",),
            registry=self.registry,
        )  # fmt: skip
        self._passed_tokens = Counter(
            "autotts_passed_tokens", "Tokens of these, as the upstream reported them; estimated ones are among the "
            "generated: a stream without usage counts one an event.", ("kind",),
            registry=self.registry,
        )  # fmt: skip
        if prices is not None:
            self._dollars = Counter(
                "autotts_dollars", f"US dollars for these tokens, at a million for {prices.model}.", labels,
                registry=self.registry,
            )  # fmt: skip
            self._passed_dollars = Counter(
                "autotts_passed_dollars", "US dollars for requests handed on; without the prompts of streams that told "
                "no usage.",
                registry=self.registry,
            )  # fmt: skip
        if prices is not None and prices.judge is not None:
            self._judge_dollars = Counter(
                "autotts_judge_dollars", f"US dollars for the judge's tokens, at a million for {prices.judge}.", labels,
                registry=self.registry,
            )  # fmt: skip
        self._running = Gauge("autotts_episodes_running", "Episodes under way.", registry=self.registry)
        self._waiting = Gauge("autotts_requests_waiting", "Requests that wait for a place.", registry=self.registry)

    def request(self, controller: str, status: str) -> None:
        """Count a request that has ended; `status` is `ok`, `gone`, or the HTTP status of its error."""
        self._requests.labels(controller, status).inc()

    def passed(self, status: str, usage: Usage | None, estimated: bool) -> None:
        """Count a request that was handed on, and what it took, `estimated` or told; `status` as in `request`."""
        self._passed.labels(status).inc()
        if usage is not None:
            for kind, tokens in (("generated", usage.output), ("prompt", usage.input), ("cached", usage.cached)):
                self._passed_tokens.labels(kind).inc(tokens)
            self._passed_tokens.labels("estimated").inc(usage.output if estimated else 0)
            if self._prices is not None:
                self._passed_dollars.inc(self._prices.model.dollars(usage.output, usage.input, usage.cached))

    def solved(self, controller: str, solution: Solution) -> None:
        """Count an episode that has ended, failed or not."""
        cost = solution.cost
        self._spent(controller, cost)
        if solution.failed_by is not None:
            self._failures.labels(controller, solution.failed_by).inc()
        self._seconds.labels(controller).observe(cost.seconds)
        self._branches.labels(controller).observe(len(solution.branches))

    def abandoned(self, controller: str, episode: LiveEpisode) -> None:
        """Count the tokens of an episode whose client has disconnected."""
        self._spent(controller, cost_so_far(episode))

    def _spent(self, controller: str, cost: Cost) -> None:
        for kind, tokens in (
            ("generated", cost.generated), ("probe", cost.probe_tokens), ("wasted", cost.wasted),
            ("estimated", cost.estimated), ("prompt", cost.prompt_tokens), ("cached", cost.cached_tokens),
            ("sequential", cost.sequential_tokens),
        ):  # fmt: skip
            self._tokens.labels(controller, kind).inc(tokens)
        self._calls.labels(controller).inc(cost.requests)
        if cost.judge_requests:
            self._judge_calls.labels(controller).inc(cost.judge_requests)
            for kind, tokens in (("generated", cost.judge_tokens), ("prompt", cost.judge_prompt_tokens)):
                self._judge_tokens.labels(controller, kind).inc(tokens)
        if self._prices is not None:
            dollars = Dollars.of(cost, self._prices)
            self._dollars.labels(controller).inc(dollars.model)
            if self._prices.judge is not None:
                self._judge_dollars.labels(controller).inc(dollars.judge or 0.0)

    def page(self, solver: Solver, inside: int, passed: int = 0) -> bytes:
        """Return the metrics in Prometheus' text format.

        Args:
            solver: The endpoint's solver.
            inside: Number of questions solved or waiting.
            passed: Number of requests handed on that a fallback answered.
        """
        self._fallbacks.set(solver.fallback_requests + passed)
        self._running.set(solver.running)
        self._waiting.set(max(0, inside - solver.running))
        return generate_latest(self.registry)
