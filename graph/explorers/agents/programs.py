"""Command lines of the supported coding agents, and of any other agent that the user names."""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from graph.explorers.agents.confinement import PORT
from graph.explorers.agents.model_proxy import Upstream
from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.models.connection_settings import check_address, service_key
from graph.explorers.models.logins import CLAUDE_TOKEN, Login, claude_login, codex_login

TASK = (
    "Read brief.md in this folder and do what it asks. Write a controller to controller.py here, and what is new about "
    "it to idea.md. `evaluate FILE` plays a draft on the search set and prints its figures; the number of tries is "
    "limited. Work without asking back; stop when controller.py is your best."
)
LOCAL_URL = f"http://127.0.0.1:{PORT}"
"""Address of the model as an agent sees it."""
PLACEHOLDER_KEY = "held-by-the-host"
"""Given to an agent instead of the key."""


@dataclass(frozen=True)
class AgentProgram:
    """An agent's command line, its environment, its model and its files."""

    name: str
    """The explorer's name in `--explorer`."""
    argv: tuple[str, ...]
    """Command line, with paths as seen in the confinement."""
    environment: Mapping[str, str] = field(default_factory=dict)
    upstream: Upstream | None = None
    """The service of its model; None for an agent without a model, which then has no connection at all."""
    read_only: Mapping[Path, str] = field(default_factory=dict)
    """Files and folders of the program on the host, and their paths in the confinement."""
    covered: tuple[Path, ...] = ()
    """Folders of the host that appear empty where they are below a visible one."""


def agent_command(argument: str, context: ExplorerContext) -> AgentProgram:
    """Return the agent `agent-command:ARGV`.

    Args:
        argument: The command line. Files that it names are visible to the agent.
        context: The run's settings; `--base-url` is the address of the agent's model, if it has one.

    Raises:
        ExplorerError: The command line is empty or cannot be parsed, or its program does not exist.
    """
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise ExplorerError(f"agent-command:{argument}: {error}") from None
    if not words:
        raise ExplorerError("agent-command: give the command line, as in agent-command:'python3 my_agent.py'")
    read_only: dict[Path, str] = {}
    argv = []
    for index, word in enumerate(words):
        file = shutil.which(word) if index == 0 else (word if os.path.isfile(word) else None)
        if index == 0 and file is None:
            raise ExplorerError(f"agent-command: there is no program {word!r}; give its path")
        if file is not None and (index > 0 or not Path(file).parent.resolve().is_relative_to("/usr/bin")):
            word = str(Path(file).absolute())
            read_only[Path(word)] = word
        argv.append(word)
    base = context.settings.base_url
    upstream = None if base is None else Upstream(base, _bearer("OPENAI_API_KEY", "agent-command", required=False))
    return AgentProgram("agent-command", tuple(argv), openai_environment() if upstream else {}, upstream, read_only)


def claude_code(argument: str, context: ExplorerContext) -> AgentProgram:
    """Return the agent `claude-code[:MODEL]`: Claude Code from claude-agent-sdk, or else `claude` on the PATH.

    Args:
        argument: The model; empty for the program's default.
        context: The run's settings; `max_cost` is also given to the program.

    Raises:
        ExplorerError: The program is missing, or both ANTHROPIC_API_KEY and the token of a login.
    """
    binary = _bundled_claude() or _installed("claude", "pip install 'autotts[agents]', or npm install -g "
                                             "@anthropic-ai/claude-code")  # fmt: skip
    key, login = service_key("ANTHROPIC_API_KEY"), claude_login()
    check_address("ANTHROPIC_BASE_URL")
    if not key and login is None:
        raise ExplorerError(
            f"claude-code needs a key: set ANTHROPIC_API_KEY, or for a subscription {CLAUDE_TOKEN} (claude setup-token "
            "prints it); the agent itself never sees it"
        )
    base = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    upstream = Upstream(base, {"x-api-key": key or ""}, "anthropic") if login is None else _subscribed(login)
    inside = Path("/autotts/claude")
    argv = [str(inside), "-p", TASK, "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
    # The model proxy refuses tools that the service runs.
    argv += [
        "--strict-mcp-config",
        "--disallowedTools",
        "WebSearch,WebFetch",
        *(["--model", argument] if argument else []),
    ]
    if context.settings.max_cost is not None:
        # With this limit the program ends by itself with its result, before the proxy refuses a request.
        argv += ["--max-budget-usd", f"{context.settings.max_cost:g}"]
    environment = {
        "ANTHROPIC_BASE_URL": LOCAL_URL, "ANTHROPIC_API_KEY": PLACEHOLDER_KEY, "IS_SANDBOX": "1",
        "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }  # fmt: skip
    return AgentProgram("claude-code", tuple(argv), environment, upstream, {binary: str(inside)})


def codex(argument: str, context: ExplorerContext) -> AgentProgram:
    """Return the agent `codex[:MODEL]`: OpenAI's Codex, from CODEX_PATH or else `codex` on the PATH.

    Args:
        argument: The model; empty for the program's default.
        context: The run's settings; `--base-url` is the address of a compatible service.

    Raises:
        ExplorerError: The program is missing, or both OPENAI_API_KEY and a login where `--base-url` is not given.
    """
    path = os.environ.get("CODEX_PATH")
    binary = Path(path) if path else _installed("codex", "npm install -g @openai/codex")
    native = _native(binary)
    provider = f'{{name="host",base_url="{LOCAL_URL}",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    argv = [str(native), "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    argv += ["-c", f"model_providers.host={provider}", "-c", 'model_provider="host"']
    # The model proxy refuses tools that the service runs.
    argv += ["-c", 'web_search="disabled"']
    argv += [*(["--model", argument] if argument else []), TASK]
    check_address("OPENAI_BASE_URL")
    login = codex_login(context.settings.base_url)
    upstream = openai_upstream("codex", context.settings.base_url) if login is None else _subscribed(login)
    return AgentProgram(
        "codex", tuple(argv), openai_environment(), upstream, {native.parents[1]: str(native.parents[1])}
    )


PROGRAMS = {"agent-command": agent_command, "claude-code": claude_code, "codex": codex}


def openai_upstream(name: str, base_url: str | None) -> Upstream:
    """Return OpenAI's service, or the compatible one at `base_url` or `OPENAI_BASE_URL`.

    Args:
        name: The explorer, for the error.
        base_url: The address that `--base-url` gives; OPENAI_API_KEY is optional with it.

    Raises:
        ExplorerError: OPENAI_API_KEY is missing, or a variable holds no key or no address.
    """
    check_address("OPENAI_BASE_URL")
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    bearer = _bearer("OPENAI_API_KEY", name, required=base_url is None)
    return Upstream(url or "https://api.openai.com/v1", bearer, None if url else "openai")


def _subscribed(login: Login) -> Upstream:
    return Upstream(login.base_url, login.headers, features=login.features, subscription=True)


def openai_environment() -> dict[str, str]:
    """Return the variables through which an OpenAI-compatible client finds its model in the confinement."""
    return {"OPENAI_BASE_URL": LOCAL_URL, "OPENAI_API_KEY": PLACEHOLDER_KEY, "AUTOTTS_MODEL_URL": LOCAL_URL}


def _bearer(variable: str, name: str, *, required: bool) -> dict[str, str]:
    """Return the header with the key that a variable holds; empty without one. Raises ExplorerError if required."""
    key = service_key(variable)
    if not key and required:
        login = ", or codex login" if name == "codex" else ""
        raise ExplorerError(f"{name} needs a key: set {variable}{login}; the agent itself never sees it")
    return {"authorization": f"Bearer {key}"} if key else {}


def _installed(name: str, how: str) -> Path:
    """Return the path of a program on the PATH. Raises ExplorerError with `how` to install it."""
    path = shutil.which(name)
    if path is None:
        raise ExplorerError(f"there is no program {name} here: {how}")
    return Path(path).resolve()


def _bundled_claude() -> Path | None:
    """Return the path of the program in the package claude-agent-sdk; None if it is not installed."""
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bundled" / "claude"
    return path if path.exists() else None


def _native(binary: Path) -> Path:
    """Return the program that npm's launcher starts; the launcher itself needs Node, which the confinement lacks."""
    path = binary.resolve()
    if path.suffix != ".js":
        return path
    for package in (path.parents[2], path.parents[1] / "node_modules" / "@openai"):
        candidates = sorted(package.glob("codex-*/vendor/*/bin/codex"))
        if candidates:
            return candidates[0]
    raise ExplorerError(f"{binary} is npm's launcher, the program behind it is missing; install @openai/codex again")
