"""What the endpoint did, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from envdata.live.episode import LiveEpisode
from sandbox.solving import Solution, Solver

SECONDS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BRANCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """One endpoint's own registry."""

    def __init__(self) -> None:
        """All start at nothing."""
        self.registry = CollectorRegistry()
        labels = ("controller",)
        self._requests = Counter(
            "autotts_requests", "Requests by how they ended.", (*labels, "status"), registry=self.registry
        )
        self._tokens = Counter(
            "autotts_tokens", "Tokens as the upstream counted them; wasted ones are among the generated.",
            (*labels, "kind"), registry=self.registry,
        )  # fmt: skip
        self._failures = Counter(
            "autotts_failures", "Episodes that failed, by what failed.", (*labels, "by"), registry=self.registry
        )
        self._seconds = Histogram(
            "autotts_solve_seconds", "From question to answer.", labels, buckets=SECONDS, registry=self.registry
        )
        self._branches = Histogram(
            "autotts_branches", "Branches opened for a question.", labels, buckets=BRANCHES, registry=self.registry
        )
        self._running = Gauge("autotts_episodes_running", "Episodes under way.", registry=self.registry)
        self._waiting = Gauge("autotts_requests_waiting", "Requests that wait for a place.", registry=self.registry)

    def request(self, controller: str, status: str) -> None:
        """Count a request that has ended: ok, gone, or the status of its error."""
        self._requests.labels(controller, status).inc()

    def solved(self, controller: str, solution: Solution) -> None:
        """Count an episode, failed ones too."""
        cost = solution.cost
        self._spent(controller, cost.generated, cost.probe_tokens, cost.wasted, cost.prompt_tokens, cost.cached_tokens)
        if solution.failed_by is not None:
            self._failures.labels(controller, solution.failed_by).inc()
        self._seconds.labels(controller).observe(cost.seconds)
        self._branches.labels(controller).observe(len(solution.branches))

    def left(self, controller: str, episode: LiveEpisode) -> None:
        """Count what an episode had spent whose client went away."""
        traces, probes, wasted = episode.world.traces, episode.world.probes, episode.world.wasted
        generated, prompt, cached = (
            getattr(traces, name) + getattr(probes, name) for name in ("decoded", "prompt", "cached")
        )
        self._spent(controller, generated, probes.decoded, wasted, prompt, cached)

    def _spent(self, controller: str, generated: int, probe: int, wasted: int, prompt: int, cached: int) -> None:
        for kind, tokens in (
            ("generated", generated), ("probe", probe), ("wasted", wasted), ("prompt", prompt), ("cached", cached),
        ):  # fmt: skip
            self._tokens.labels(controller, kind).inc(tokens)

    def page(self, solver: Solver, inside: int) -> bytes:
        """The page that Prometheus reads."""
        self._running.set(solver.running)
        self._waiting.set(max(0, inside - solver.running))
        return generate_latest(self.registry)
