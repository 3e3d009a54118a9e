"""The real model in vLLM, behind its server or in a process of its own, for tests marked `vllm`, or in llama.cpp.

It is prepared by tools/real-model/prepare.sh, which also says why it has an environment to itself; llama.cpp's server
by tools/llamacpp/prepare.sh.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SERVE = ROOT / "tools" / "real-model" / "serve.sh"
SERVE_LLAMACPP = ROOT / "tools" / "llamacpp" / "serve.sh"
MODEL = "gemma"
SECONDS_TO_START = 300

BFLOAT16 = {"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split())
IN_PROCESS = {
    # As serve.sh chooses it: where the processor would emulate bfloat16, float32 is five times as fast.
    "dtype": "bfloat16" if BFLOAT16 else "float32",
    "enforce_eager": True,
    "max_model_len": 2048,
    "gpu_memory_utilization": 0.4,
    "max_num_seqs": 64,
    "block_size": 16,
}
"""Arguments of vLLM's LLM that work with two cores and 8 GB, as tools/real-model/serve.sh has them."""


def folder() -> Path:
    """The folder that was prepared; the model is in `gemma-hf` there."""
    return Path(os.environ["AUTOTTS_REAL_MODEL"])


def python() -> Path:
    """The interpreter that has vLLM, and what the collector needs beside it."""
    return folder() / "venv" / "bin" / "python"


def environment() -> dict[str, str]:
    """What that interpreter needs in its environment to run vLLM and this repository's packages in one process."""
    cores = os.environ.get("VLLM_CPU_OMP_THREADS_BIND") or f"0-{len(os.sched_getaffinity(0)) - 1}"
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": cores,
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "LD_PRELOAD": str(folder() / "venv" / "lib" / "libiomp5.so"),
        "PYTHONPATH": str(ROOT),
    }


def told_by(script: Path, *arguments: object, timeout: float) -> Any:
    """What a script says in the last line that it prints, as JSON; it is run by that interpreter."""
    ended = subprocess.run(
        [python(), script, *map(str, arguments)], env=environment(), capture_output=True, text=True, timeout=timeout
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@contextmanager
def serving(log: Path, serve: Path = SERVE) -> Iterator[str]:
    """Serve the model prepared in $AUTOTTS_REAL_MODEL with a script; yields the API's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [serve, os.environ["AUTOTTS_REAL_MODEL"], str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(server, f"http://127.0.0.1:{port}/v1/models", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            # The engine is a process of its own, and would stay behind with its memory.
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(1)
        else:
            return
    raise RuntimeError(f"the server did not start; its log ends with:\n{log.read_text(errors='replace')[-3000:]}")
