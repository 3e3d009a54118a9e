"""What every suite shares: what a marker needs of the machine, and `--no-skips` where nothing may be missing."""

import functools
import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from sandbox.backends import diagnosis

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A shell that starts its work in the background makes it deaf to Ctrl-C, with all that it starts. Tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips", action="store_true", help="count a skipped test as failed: this machine should run them all"
    )


@pytest.fixture(scope="session", autouse=True)
def _grid_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Mapped grids of the tests, and notes on their runs, are kept out of the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTTS_STATE", str(tmp_path_factory.mktemp("state")))
        patch.setenv("AUTOTTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# ---- what a marker needs: a reason to skip, or None ------------------------------------------------------------


@functools.cache
def _no_bubblewrap() -> str | None:
    found = diagnosis.diagnose(diagnosis.observe())
    return None if found is None else f"bubblewrap: {found.cause}: {found.explanation}"


@functools.cache
def _no_docker() -> str | None:
    import docker

    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers at {os.environ.get('DOCKER_HOST', 'the default socket')}: {error}"
    return None


def _no_root() -> str | None:
    return None if os.getuid() == 0 else "needs root"


def _no_folder(variable: str) -> str | None:
    folder = os.environ.get(variable)
    if not folder:
        return f"{variable} is not set"
    return None if Path(folder).is_dir() else f"{variable}={folder} is not a folder"


def _no_postgres() -> str | None:
    from tests.postgres import binaries

    return None if binaries() else "PostgreSQL is not installed"


def _no_langgraph_server() -> str | None:
    found = importlib.util.find_spec("langgraph_api")
    return None if found else "LangGraph's server is not installed: pip install 'langgraph-cli[inmem]'"


def _no_inspect() -> str | None:
    found = importlib.util.find_spec("inspect_ai")
    return None if found else "Inspect AI is not installed: pip install 'autotts[inspect]'"


def _no_clients() -> str | None:
    named = os.environ.get("CLIENTS_PYTHON")
    return None if named else "CLIENTS_PYTHON names no environment with tests/graph/serve/clients/requirements.txt"


def _no_debootstrap() -> str | None:
    return None if shutil.which("debootstrap") else "debootstrap is not installed"


def _no_ray() -> str | None:
    return None if importlib.util.find_spec("ray") else "the extra ray is not installed"


def _no_browser() -> str | None:
    if not importlib.util.find_spec("playwright"):
        return "the Python package playwright is not installed"
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    return None if found else "Chromium is not installed: apt-get install chromium"


NEEDS: dict[str, tuple[Callable[[], str | None], ...]] = {
    "bubblewrap": (_no_bubblewrap,),
    "docker": (_no_docker,),
    "postgres": (_no_postgres,),
    "studio": (_no_langgraph_server,),
    "inspect": (_no_inspect,),
    "clients": (_no_clients,),
    "published": (functools.partial(_no_folder, "AUTOTTS_PUBLISHED"),),
    "vllm": (functools.partial(_no_folder, "AUTOTTS_REAL_MODEL"),),
    "ray": (_no_ray,),
    "browser": (_no_browser,),
    "fresh": (_no_root, _no_debootstrap),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        for need in NEEDS.get(mark.name, ()):
            reason = need()
            if reason is not None:
                pytest.skip(reason)


# ---- --no-skips ------------------------------------------------------------------------------------------------

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _skip_to_failure(config: pytest.Config, report: Report) -> Report:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{reason}\n(a failure because of --no-skips)"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _skip_to_failure(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _skip_to_failure(collector.config, (yield))


@pytest.fixture(scope="session")
def docker_image() -> str:
    """The digest of the docker backend's image, which is built where the engine does not have it yet.

    Its base is AUTOTTS_DOCKER_BASE, or the image that tools/docker-engine.sh makes.
    """
    from sandbox.backends import docker, image

    client = docker.connect()
    record = image.find(client) or image.build(client, os.environ.get("AUTOTTS_DOCKER_BASE", "autotts-base:bookworm"))
    return record.image
