"""The image of the docker backend: how it is built, and how its digest is kept and found again.

The build context is made here, file by file with fixed times and owners: our worker files, the wheels of greenlet,
numpy and scipy unpacked, the Dockerfile and the script that it runs. No step of the build uses a network; wheels are
downloaded before it, or given.
"""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from envdata.atomic import replacing
from sandbox.backends import payload
from sandbox.backends.staging import cache_folder
from sandbox.versions import PYTHONS, python_range

DEFAULT_BASE = "python:3.13-slim"

SOURCES = Path(__file__).parents[1] / "image"

WHEELS = {"greenlet": ">=3.1", "numpy": ">=2.0,<3", "scipy": ">=1.14"}
"""What candidates may import besides the standard library, in the supported range."""

_ASK = "import sys, platform; print(*sys.version_info[:2], platform.machine(), platform.libc_ver()[0])"


class BuildError(RuntimeError):
    """The image cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Record:
    """An image that was built for this version of the worker."""

    image: str
    """`sha256:…`, the digest of the image's configuration, layers included."""
    base: str
    python: str
    wheels: dict[str, str]
    """File names and SHA-256."""
    size: int
    """Bytes."""


def find(client: Any) -> Record | None:
    """The newest record for our present files whose very image the client's engine has; None without one.

    Records are looked up by digest and not by engine: Podman gives itself another identity at every question.
    """
    import docker

    for path in sorted(_records(our_files()).glob("*.json"), key=_age):
        with contextlib.suppress(OSError, ValueError, TypeError, docker.errors.NotFound):
            record = Record(**json.loads(path.read_text()))
            if client.api.inspect_image(record.image)["Id"] == record.image:
                return record
    return None


def build(client: Any, base: str = DEFAULT_BASE, wheels: Path | None = None) -> Record:
    """Build the image and record its digest. `wheels` is a folder with the wheels; without it they are downloaded.

    Raises BuildError.
    """
    import docker

    ours = our_files()
    try:
        python, machine = _ask_base(client, base)
        chosen = _choose(wheels or _download(python, machine), python)
        log = client.api.build(
            fileobj=io.BytesIO(_context(ours, chosen)),
            custom_context=True,
            buildargs={"BASE": base},
            rm=True,
            forcerm=True,
            network_mode="none",
            decode=True,
            tag=f"autotts-sandbox:{worker_hash(ours)[:12]}",
        )
        image = _image_id(log)
        hashes = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in chosen}
        size = int(client.api.inspect_image(image)["Size"])
    except docker.errors.DockerException as error:
        raise BuildError(f"the engine could not build the image: {error}") from None
    record = Record(image, base, python, hashes, size)
    path = _records(ours) / f"{image.removeprefix('sha256:')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")
    return record


def our_files() -> dict[str, bytes]:
    """Our files in the sandbox by their path there, and the recipe of the image by name alone."""
    recipe = [SOURCES / "Dockerfile", SOURCES / "collect.py", Path(payload.__file__)]
    return {name: path.read_bytes() for name, path in payload.files().items()} | {
        path.name: path.read_bytes() for path in recipe
    }


def worker_hash(ours: Mapping[str, bytes]) -> str:
    """SHA-256 over our files and the recipe: another version needs another image."""
    digest = hashlib.sha256()
    for name, data in sorted(ours.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _records(ours: Mapping[str, bytes]) -> Path:
    """The folder of records of images with these files, one for each digest: engines and bases may differ."""
    return cache_folder("images") / worker_hash(ours)[:32]


def _age(path: Path) -> float:
    """Seconds, larger for older files."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _ask_base(client: Any, base: str) -> tuple[str, str]:
    """The base's Python as `3.13`, and its machine."""
    import docker

    try:
        said = client.containers.run(
            base, ["-c", _ASK], entrypoint="python3", network_mode="none", remove=True, user="65534:65534"
        )
    except (docker.errors.ContainerError, docker.errors.ImageNotFound, docker.errors.APIError) as error:
        raise BuildError(f"{base!r} cannot be used as a base, an image with a python3: {error}") from None
    major, minor, machine, libc = said.decode().split()
    if not PYTHONS[0] <= (int(major), int(minor)) < PYTHONS[1] or libc != "glibc":
        raise BuildError(
            f"{base!r} has Python {major}.{minor} and {libc}; give a base with Python {python_range()} and glibc"
        )
    return f"{major}.{minor}", machine


def _download(python: str, machine: str) -> Path:
    """Fetch the wheels with pip, in the versions of this environment where the base's Python is the same.

    They are kept in the cache: the next build needs no network.
    """
    same = python == f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [
        f"{name}=={_installed(name)}" if same and _installed(name) else name + spec for name, spec in WHEELS.items()
    ]
    key = hashlib.sha256(repr((python, machine, wanted)).encode()).hexdigest()[:16]
    folder = cache_folder("wheels") / key
    if folder.is_dir():
        return folder
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in (17, 24, 26, 27, 28)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps", *platforms]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        command += [f"--python-version={python}", "--implementation=cp", f"--dest={temporary}", *wanted]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["(nothing)"])[-1]
            raise BuildError(
                f"pip could not download the wheels ({last}); give a folder with {', '.join(wanted)} as --wheels"
            )
        with contextlib.suppress(FileExistsError):  # another build was first
            shutil.copytree(temporary, folder)
    return folder


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _choose(folder: Path, python: str) -> list[Path]:
    tag = "cp" + python.replace(".", "")
    chosen = []
    for name in WHEELS:
        found = sorted(folder.glob(f"{name}-*-{tag}-*.whl"))
        if len(found) != 1:
            raise BuildError(
                f"{folder} has {len(found)} wheels of {name} for Python {python} ({name}-…-{tag}-….whl); one is needed"
            )
        chosen += found
    return chosen


def _context(ours: Mapping[str, bytes], wheels: Iterable[Path]) -> bytes:
    """The build context as a tar archive; equal inputs give equal bytes."""
    contents = {name: data for name, data in ours.items() if "/" not in name}
    contents |= {f"worker/{name}": data for name, data in ours.items() if "/" in name}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                kept = not name.endswith("/") and "/tests/" not in name and name.partition("/")[0] in payload.PACKAGES
                if kept:
                    contents[f"packages/{name}"] = archive.read(name)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(contents):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(contents[name]), 0o644
            tar.addfile(entry, io.BytesIO(contents[name]))
    return buffer.getvalue()


def _image_id(log: Iterable[dict[str, Any]]) -> str:
    image = None
    for line in log:
        if "error" in line:
            raise BuildError(f"the engine could not build the image: {line['error']}")
        image = line.get("aux", {}).get("ID", image)
    if image is None:
        raise BuildError("the engine did not say which image it built")
    return str(image)
