"""The coding agents that are known, and any other one by its command line."""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from graph.explorers.agents.confinement import PORT
from graph.explorers.agents.model_door import Upstream
from graph.explorers.base import ExplorerError
from graph.explorers.setup import Setup

TASK = (
    "Read brief.md in this folder and do what it asks. Write a controller to controller.py here, and what is new about "
    "it to idea.md. `evaluate FILE` plays a draft on the search set and prints its figures; the number of tries is "
    "limited. Work without asking back; stop when controller.py is your best."
)
LOCAL = f"http://127.0.0.1:{PORT}"
HELD = "held-by-the-host"
"""What an agent has in place of a key."""


@dataclass(frozen=True)
class Program:
    """An agent's command line, and what it needs in its confinement."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    upstream: Upstream | None = None
    """Where its model is; None leaves it without any network."""
    shown: Mapping[Path, str] = field(default_factory=dict)
    """Files and folders of its own, and where it sees them."""


def any_command(argument: str, setup: Setup) -> Program:
    """`agent-command:ARGV`. Files that it names are shown to it; the model is that of --base-url, if any."""
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise ExplorerError(f"agent-command:{argument}: {error}") from None
    if not words:
        raise ExplorerError("agent-command: give the command line, as in agent-command:'python3 my_agent.py'")
    shown: dict[Path, str] = {}
    argv = []
    for place, word in enumerate(words):
        found = shutil.which(word) if place == 0 else (word if os.path.isfile(word) else None)
        if place == 0 and found is None:
            raise ExplorerError(f"agent-command: there is no program {word!r}; give its path")
        if found is not None and (place > 0 or not Path(found).parent.resolve().is_relative_to("/usr/bin")):
            word = str(Path(found).absolute())
            shown[Path(word)] = word
        argv.append(word)
    base = setup.settings.base_url
    upstream = None if base is None else Upstream(base, _bearer("OPENAI_API_KEY", required=False))
    return Program("agent-command", tuple(argv), _openai_environment() if upstream else {}, upstream, shown)


def claude_code(argument: str, setup: Setup) -> Program:
    """`claude-code[:MODEL]`: the program that the package claude-agent-sdk brings, otherwise `claude` on the path."""
    binary = _bundled_claude() or _installed("claude", "pip install 'autotts[agents]', or npm install -g "
                                             "@anthropic-ai/claude-code")  # fmt: skip
    key = os.environ.get("ANTHROPIC_API_KEY")
    if not key:
        raise ExplorerError("claude-code needs a key: set ANTHROPIC_API_KEY; the agent itself never sees it")
    base = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    seen = Path("/autotts/claude")
    argv = [str(seen), "-p", TASK, "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
    argv += ["--strict-mcp-config", *(["--model", argument] if argument else [])]
    if setup.settings.max_cost is not None:
        # Its own count besides ours, so that it ends with what it has rather than with an error.
        argv += ["--max-budget-usd", f"{setup.settings.max_cost:g}"]
    environment = {
        "ANTHROPIC_BASE_URL": LOCAL, "ANTHROPIC_API_KEY": HELD, "IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }  # fmt: skip
    return Program(
        "claude-code", tuple(argv), environment, Upstream(base, {"x-api-key": key}, "anthropic"), {binary: str(seen)}
    )


def codex(argument: str, setup: Setup) -> Program:
    """`codex[:MODEL]`: OpenAI's Codex, `codex` on the path or where CODEX_PATH says."""
    given = os.environ.get("CODEX_PATH")
    binary = Path(given) if given else _installed("codex", "npm install -g @openai/codex")
    native = _native(binary)
    given_url = setup.settings.base_url or os.environ.get("OPENAI_BASE_URL")
    provider = f'{{name="host",base_url="{LOCAL}",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    argv = [str(native), "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    argv += ["-c", f"model_providers.host={provider}", "-c", 'model_provider="host"']
    argv += [*(["--model", argument] if argument else []), TASK]
    required = setup.settings.base_url is None
    bearer = _bearer("OPENAI_API_KEY", required=required)
    upstream = Upstream(given_url or "https://api.openai.com/v1", bearer, None if given_url else "openai")
    return Program("codex", tuple(argv), _openai_environment(), upstream, {native.parents[1]: str(native.parents[1])})


PROGRAMS = {"agent-command": any_command, "claude-code": claude_code, "codex": codex}


def _openai_environment() -> dict[str, str]:
    return {"OPENAI_BASE_URL": LOCAL, "OPENAI_API_KEY": HELD, "AUTOTTS_MODEL_URL": LOCAL}


def _bearer(variable: str, *, required: bool) -> dict[str, str]:
    key = os.environ.get(variable)
    if not key and required:
        raise ExplorerError(f"codex needs a key: set {variable}; the agent itself never sees it")
    return {"authorization": f"Bearer {key}"} if key else {}


def _installed(name: str, how: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ExplorerError(f"there is no program {name} here: {how}")
    return Path(found).resolve()


def _bundled_claude() -> Path | None:
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bundled" / "claude"
    return path if path.exists() else None


def _native(binary: Path) -> Path:
    """The program behind npm's launcher, which is a script for Node: inside there is none."""
    path = binary.resolve()
    if path.suffix != ".js":
        return path
    for package in (path.parents[2], path.parents[1] / "node_modules" / "@openai"):
        found = sorted(package.glob("codex-*/vendor/*/bin/codex"))
        if found:
            return found[0]
    raise ExplorerError(f"{binary} is npm's launcher, the program behind it is missing; install @openai/codex again")
