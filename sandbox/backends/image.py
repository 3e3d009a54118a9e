"""Builds the image of the docker backend, and records its digest.

The build context is made here, file by file with fixed times and owners: the worker's files, the unpacked wheels of
greenlet, numpy and scipy, the Dockerfile and the script that it runs. No step of the build uses the network; wheels
are downloaded before it, or given.
"""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from envdata.atomic import replacing, temporary_folder
from envdata.cache import VARIABLE, NoCache, cache_folder
from sandbox.backends import libraries, payload
from sandbox.backends.base_images import BaseError, examine

DEFAULT_BASE = "python:3.13-slim"

SOURCES = Path(__file__).parents[1] / "image"

WHEELS = {"greenlet": ">=3.1", "numpy": ">=2.0,<3", "scipy": ">=1.14"}
"""Packages that candidates may import, with their supported versions."""


class BuildError(RuntimeError):
    """The image cannot be built; the message says how to mend it."""


@dataclass(frozen=True)
class ImageRecord:
    """Record of an image that was built for this version of the worker."""

    image: str
    """Digest of the image's configuration, layers included, as `sha256:…`."""
    base: str
    """Name of the base image."""
    python: str
    """Its Python version, such as `3.13`."""
    wheels: dict[str, str]
    """SHA-256 of the wheels by file name."""
    size: int
    """Size in bytes."""


def find(client: Any) -> ImageRecord | None:
    """Return the newest record for the present worker files whose image the client's engine has; None without one.

    Records are matched by the image's digest and not by engine: Podman reports another engine id each time.
    """
    import docker

    try:
        records = sorted(_records(our_files()).glob("*.json"), key=_age)
    except OSError:
        return None
    for path in records:
        with contextlib.suppress(OSError, ValueError, TypeError, docker.errors.NotFound):
            record = ImageRecord(**json.loads(path.read_text()))
            if client.api.inspect_image(record.image)["Id"] == record.image:
                return record
    return None


def build(client: Any, base: str = DEFAULT_BASE, wheels: Path | None = None) -> ImageRecord:
    """Build the image, record its digest, and return the record.

    Args:
        client: Client of the engine (`docker.DockerClient`).
        base: Name of the image to take Python from.
        wheels: Folder with the wheels of `WHEELS`; None to download them.

    Raises:
        BuildError: The image cannot be built, or its record cannot be written.
    """
    import docker

    ours = our_files()
    try:
        records = _records(ours)
        records.mkdir(parents=True, exist_ok=True)
    except NoCache as error:
        raise BuildError(f"the image's record cannot be kept: {error}") from None
    except OSError as error:
        raise BuildError(
            f"the image's record cannot be kept in {records} ({error.strerror}); name a folder that can be written in "
            f"{VARIABLE}, for this command and all that use the image"
        ) from None
    try:
        python, machine = examine(client, base)
        chosen = _choose(wheels or _download(python, machine), python)
        log = client.api.build(
            fileobj=io.BytesIO(_context(ours, chosen)),
            custom_context=True,
            buildargs={"BASE": base},
            rm=True,
            forcerm=True,
            network_mode="none",
            decode=True,
            tag=f"autotts-sandbox:{payload.content_hash(ours)[:12]}",
        )
        image = _image_id(log)
        hashes = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in chosen}
        size = int(client.api.inspect_image(image)["Size"])
    except BaseError as error:
        raise BuildError(str(error)) from None
    except docker.errors.DockerException as error:
        raise BuildError(f"the engine could not build the image: {error}") from None
    record = ImageRecord(image, base, python, hashes, size)
    with replacing(records / f"{image.removeprefix('sha256:')}.json") as temporary:
        Path(temporary).write_text(json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")
    return record


def our_files() -> dict[str, bytes]:
    """Return the worker's files by their path in the sandbox, and the files that build the image by name alone."""
    recipe = [SOURCES / "Dockerfile", SOURCES / "collect.py", Path(payload.__file__), Path(libraries.__file__)]
    return {name: path.read_bytes() for name, path in payload.files().items()} | {
        path.name: path.read_bytes() for path in recipe
    }


def _records(ours: Mapping[str, bytes]) -> Path:
    """Return the folder of the records of images with these files, one per image: engines and bases may differ."""
    return cache_folder("images") / payload.content_hash(ours)[:32]


def _age(path: Path) -> float:
    """Return a sort key in seconds, larger for older files."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _download(python: str, machine: str) -> Path:
    """Download the wheels with pip into the cache, and return their folder; the next build needs no network.

    Versions are those of this environment where the base has the same Python.
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
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps", *platforms]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent) as temporary:
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
    """Return the build context as a tar archive; equal inputs give equal bytes."""
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
        raise BuildError("the engine did not report the id of the image that it built")
    return str(image)
