"""Fetching the public release, from loopback: names, interruptions, and what a server may do wrong.

The files served here are made up; they have the release's form and nothing of its data.
"""

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envdata import download as downloads
from envdata.autotts_release import FetchResult, fetch, release_grids
from envdata.download import DownloadError, client, download
from envdata.grid import Grid, GridError
from envdata.grid_names import fetched_folder, grid_file, named_grids
from graph.cli import cli


def _branch(right: int, number: int) -> list[Any]:
    answer, probes = str(right + number % 2), number % 3
    return [[answer] * probes, 400 + 500 * probes, answer]


CONTENT = json.dumps(
    [
        {
            "question": f"What is {a} + {a}?",
            "gold_answer": str(2 * a),
            "probe_freq": 500,
            "each_branch": [_branch(2 * a, number) for number in range(8)],
        }
        for a in range(40)
    ]
).encode()


@dataclass
class Place:
    """What is served, and how badly."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    cut_after: int | None = None
    """Bytes after which each reply's connection is closed."""
    statuses: list[int] = field(default_factory=list)
    """What the next requests are answered with instead."""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths and ranges, in order."""
    sent: int = 0
    """Bytes of grids, in all."""


@pytest.fixture
def place() -> Place:
    names = [f"/{each.model}/{each.benchmark}.json" for each in release_grids()]
    return Place(dict.fromkeys(names, CONTENT))


@pytest.fixture
def source(place: Place) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked.append((self.path, self.headers.get("Range")))
            if place.statuses:
                self.send_error(place.statuses.pop(0))
                return
            content = place.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            wanted, first = self.headers.get("Range"), 0
            if wanted and place.ranges:
                first = int(wanted.removeprefix("bytes=").rstrip("-"))
                if first >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if place.etag:
                self.send_header("ETag", place.etag)
            for name, value in place.headers.items():
                self.send_header(name, value)
            rest = content[first:]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            sent = rest[: place.cut_after]
            place.sent += len(sent)
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "SECONDS_TO_TRY_AGAIN", 0.0)


def fetch_all(source: str, count: int = 1, **more: Any) -> list[FetchResult]:
    return list(fetch(source, release_grids()[:count], lambda name, have, size: None, **more))


def call(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words])


# ---- the command -------------------------------------------------------------------------------------------------


def test_one_command_brings_all_grids_and_their_names_work_everywhere(source: str, tmp_path: Path) -> None:
    result = call("grid", "fetch", "autotts-release", "--source", source)
    assert result.exit_code == 0, result.output
    assert "qwen3-0.6b/aime24: 40 questions, 320 branches, verified" in result.output
    assert len(result.output.splitlines()) == 12
    listed = [json.loads(line) for line in call("grid", "list", "--json").output.splitlines()]
    assert [each["name"] for each in listed[:2]] == ["bundled/search", "bundled/heldout"]
    assert {each["name"] for each in listed if each["from"] == "fetched"} == {
        f"qwen3-{size}/{benchmark}"
        for size in ("0.6b", "1.7b", "4b", "8b")
        for benchmark in ("aime24", "aime25", "hmmt25")
    }
    assert "qwen3-8b/hmmt25" in call("grid", "list").output
    assert json.loads(call("grid", "info", "Qwen3-8B/aime24", "--json").output)["questions"] == 40
    assert call("grid", "verify", "qwen3-8b/aime24", "bundled").exit_code == 0
    played = call(
        "evaluate", "sc", "--grid", "qwen3-8b/aime24", "--grid", "bundled", "--betas", "0.5", "--repeats", "1",
        "--sandbox", "process", "--jobs", "1", "--json", "--quiet",
    )  # fmt: skip
    assert played.exit_code == 0, played.output
    assert [json.loads(line)["grid"] for line in played.output.splitlines()] == ["qwen3-8b/aime24", "bundled", "mean"]
    grid = Grid.load("qwen3-8b/aime24")
    assert grid.provenance["model"] == "Qwen3-8B"
    assert grid.provenance["url"] == f"{source}/Qwen3-8B/aime24.json"
    assert grid.provenance["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert not any(fetched_folder().rglob("*.json*"))


def test_what_is_there_is_not_asked_for_again_unless_wanted(source: str, place: Place) -> None:
    assert fetch_all(source)[0].verified is not None
    place.asked.clear()
    assert fetch_all(source)[0].verified is None
    assert place.asked == []
    assert fetch_all(source, again=True)[0].verified is not None


def test_one_grid_or_one_model(source: str) -> None:
    result = call("grid", "fetch", "autotts-release", "--source", source, "--only", "qwen3-4b", "--only",
                  "Qwen3-8B/aime24")  # fmt: skip
    assert [line.partition(":")[0] for line in result.output.splitlines()] == [
        "qwen3-4b/aime24", "qwen3-4b/aime25", "qwen3-4b/hmmt25", "qwen3-8b/aime24",
    ]  # fmt: skip
    result = call("grid", "fetch", "autotts-release", "--source", source, "--only", "qwen3-9b")
    assert result.exit_code == 2
    assert "'qwen3-9b' is not of the release; it has qwen3-0.6b/aime24" in result.output


def test_an_address_may_say_where_model_and_benchmark_stand(source: str, place: Place) -> None:
    place.files["/data/aime24-Qwen3-0.6B.json"] = CONTENT
    (found,) = fetch_all(source + "/data/{benchmark}-{model}.json")
    assert found.failed is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://a/b", "is not an address that begins with https:// or http://"),
        ("file:///etc", "is not an address"),
        ("https://user:secret@a/b", "holds a user or a password"),
        ("https://a/{model}", "give both {model} and {benchmark}"),
    ],
)
def test_addresses_that_cannot_be(address: str, message: str) -> None:
    result = call("grid", "fetch", "autotts-release", "--source", address)
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert "secret" not in result.output


def test_the_address_is_a_setting(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTTS_GRID_FETCH_SOURCE", source)
    assert call("grid", "fetch", "autotts-release", "--only", "qwen3-8b/aime24").exit_code == 0


# ---- interruptions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', None])
def test_a_connection_that_is_cut_again_and_again_brings_each_byte_once(
    source: str, place: Place, etag: str | None
) -> None:
    place.etag, place.cut_after = etag, 1000
    (found,) = fetch_all(source)
    assert found.failed is None
    assert place.sent == len(CONTENT)
    assert [wanted for path, wanted in place.asked if path.endswith(".json")][:3] == [
        None,
        "bytes=1000-",
        "bytes=2000-",
    ]


def test_a_server_that_knows_no_ranges_sends_all_again(source: str, place: Place) -> None:
    place.ranges, place.cut_after = False, 1000
    with pytest.raises(DownloadError, match=r"without sending complete message.*the same command goes on from it"):
        fetch_all(source)
    place.cut_after = None
    assert fetch_all(source)[0].failed is None


def test_an_ended_process_is_gone_on_with(source: str, place: Place) -> None:
    class Ended(BaseException):
        pass

    def end(name: str, have: int, size: int | None) -> None:
        if have >= 3000:
            raise Ended

    place.cut_after = 3000
    with pytest.raises(Ended):
        list(fetch(source, release_grids()[:1], end))
    assert not any(each.origin == "fetched" for each in named_grids())
    place.cut_after = None
    assert fetch_all(source)[0].failed is None
    assert place.asked[-1] == ("/Qwen3-0.6B/aime24.json", "bytes=3000-")
    assert place.sent == len(CONTENT)


def test_another_version_on_the_server_is_fetched_from_its_beginning(source: str, place: Place) -> None:
    target = fetched_folder() / "x.json"
    place.files["/x.json"] = b"a" * 5000
    _cut_off(source, place, target, 2000)
    place.files["/x.json"], place.etag = b"b" * 5000, '"two"'
    with client() as web:
        download(web, f"{source}/x.json", target, lambda have, size: None)
    assert target.read_bytes() == b"b" * 5000


def test_another_size_is_another_version(source: str, place: Place) -> None:
    place.etag, target = None, fetched_folder() / "x.json"
    place.files["/x.json"] = b"a" * 5000
    _cut_off(source, place, target, 2000)
    place.files["/x.json"] = b"b" * 6000
    with client() as web:
        download(web, f"{source}/x.json", target, lambda have, size: None)
    assert target.read_bytes() == b"b" * 6000


def test_a_part_that_was_complete_is_known_to_be(source: str, place: Place) -> None:
    target = fetched_folder() / "x.json"
    place.files["/x.json"] = b"a" * 5000
    _cut_off(source, place, target, 5000)
    with client() as web:
        download(web, f"{source}/x.json", target, lambda have, size: None)
    assert target.read_bytes() == b"a" * 5000
    assert place.sent == 5000


def _cut_off(source: str, place: Place, target: Path, after: int) -> None:
    """Leave a part of the file as an ended process does."""
    place.cut_after = after

    class Ended(BaseException):
        pass

    def end(have: int, size: int | None) -> None:
        if have >= after:
            raise Ended

    with client() as web, pytest.raises(Ended):
        download(web, f"{source}/x.json", target, end)
    place.cut_after = None


def test_a_busy_server_is_asked_again_and_a_silent_one_is_given_up(source: str, place: Place) -> None:
    place.statuses = [404, 503, 429, 500]
    assert fetch_all(source)[0].failed is None
    place.statuses = [404, *[503] * 5]
    result = call("grid", "fetch", "autotts-release", "--source", source, "--only", "qwen3-8b/aime24")
    assert result.exit_code == 1
    assert "could not be fetched (the server answers 503); what was received is kept" in result.output
    result = call("grid", "fetch", "autotts-release", "--source", "http://127.0.0.1:1")
    assert (result.exit_code, "could not be fetched" in result.output) == (1, True)


# ---- checks ------------------------------------------------------------------------------------------------------


def test_hashes_that_the_source_lists_or_promises_are_checked(source: str, place: Place) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    place.files["/SHA256SUMS"] = f"{right}  ./Qwen3-0.6B/aime24.json\n{'0' * 64} *Qwen3-0.6B/aime25.json\n".encode()
    found = fetch(source, release_grids()[:2], lambda name, have, size: None)
    assert next(found).failed is None
    with pytest.raises(DownloadError, match=f"came with the SHA-256 {right}, and not 0000"):
        next(found)
    del place.files["/SHA256SUMS"]
    place.headers = {"X-Linked-ETag": f'"{"1" * 64}"'}
    with pytest.raises(DownloadError, match="and not 1111"):
        fetch_all(source, again=True)
    place.headers = {"X-Linked-ETag": f'"{right}"'}
    assert fetch_all(source, again=True)[0].failed is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not found</html>", "is not a grid of the release: .* is not readable JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is not readable JSON"),
        (b"[" * 50_000, "nested too deeply"),
        (json.dumps([{"question": "a", "gold_answer": "1", "probe_freq": 5, "each_branch": []}]).encode(),
         "question 0 has no branches"),
        (gzip.compress(CONTENT, mtime=0)[:-20], "is damaged gzip"),
        (None, r"is not there \(404\)"),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_said_and_the_others_go_on(
    source: str, place: Place, content: bytes | None, message: str
) -> None:
    place.files["/Qwen3-0.6B/aime24.json"] = content or b""
    if content is None:
        del place.files["/Qwen3-0.6B/aime24.json"]
    first, second = fetch_all(source, 2)
    assert first.failed is not None
    assert re.search(message, first.failed), first.failed
    assert (second.failed, second.path.exists(), first.path.exists()) == (None, True, False)
    result = call("grid", "fetch", "autotts-release", "--source", source, "--only", "qwen3-0.6b")
    assert result.exit_code == 1
    assert "qwen3-0.6b/aime24: FAILED: " in result.output
    assert "1 of 3 grids are not there; where the authors have moved them, --source says where to" in result.output


def test_a_grid_that_is_there_stays_until_the_new_one_is_verified(source: str, place: Place) -> None:
    (found,) = fetch_all(source)
    kept = found.path.read_bytes()
    place.files["/Qwen3-0.6B/aime24.json"] = b"[]"
    assert fetch_all(source, again=True)[0].failed is not None
    assert found.path.read_bytes() == kept


def test_files_too_large_or_compressed_on_the_way_are_refused(
    source: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(DownloadError, match="came compressed, though it was asked for as it is"):
        fetch_all(source)
    place.headers = {}
    monkeypatch.setattr(downloads, "LARGEST", 2000)
    with pytest.raises(DownloadError, match="2,000 is the most that is fetched"):
        fetch_all(source)


def test_a_folder_that_cannot_be_written(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="cannot write"):
        fetch_all(source)


# ---- names -------------------------------------------------------------------------------------------------------


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundled").mkdir()
    assert grid_file("bundled").name == "word-problems-search.parquet"
    assert grid_file("bundled/heldout").name == "word-problems-heldout.parquet"
    (tmp_path / "bundled" / "heldout").write_text("a file")
    assert grid_file("bundled/heldout") == Path("bundled/heldout")


def test_a_name_that_is_none_is_told_which_there_are() -> None:
    with pytest.raises(
        GridError, match=r"qwen3-8b/aime24: cannot be read .*`autotts grid list` shows: bundled, bundled/"
    ):
        Grid.load("qwen3-8b/aime24")
