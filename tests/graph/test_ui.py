"""The server of runs: what it shows, what it replays, and whom it refuses."""

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from graph.cli import main
from graph.report.ui.server import Server
from graph.run.files import RunError
from tests.graph.test_report import data_of, unpacked

ASKED = {"content-type": "application/json", "x-autotts": "replay"}


@contextmanager
def started(runs: Path) -> Iterator[Server]:
    with Server(runs) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        server.stop()
        thread.join()


@pytest.fixture(scope="module")
def server(finished: Path) -> Iterator[Server]:
    with started(finished.parent) as server:
        yield server


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, Message]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
    sent = body if isinstance(body, str) or body is None else json.dumps(body)
    connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    return reply.status, reply.read().decode(), reply.headers


def ask_bytes(server: Server, path: str) -> tuple[int, bytes, Message]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
    connection.request("GET", path)
    reply = connection.getresponse()
    return reply.status, reply.read(), reply.headers


def replay(server: Server, run: Path, said: Any, **headers: str) -> tuple[int, Any]:
    status, body, _ = ask(server, "POST", f"/runs/{run.name}/replay", said, **{**ASKED, **headers})
    return status, json.loads(body)


def test_runs_are_listed_and_shown(server: Server, finished: Path) -> None:
    status, listed, headers = ask(server, "GET", "/")
    assert status == 200
    assert [each["name"] for each in data_of(listed)["cards"]] == [finished.name]
    assert headers["Cache-Control"] == "no-store"
    status, page, _ = ask(server, "GET", f"/runs/{finished.name}/")
    assert status == 200
    assert "connect-src &#39;self&#39;" in page
    live = data_of(page)["live"]
    _, said, _ = ask(server, "GET", f"/runs/{finished.name}/{live['state']}")
    assert json.loads(said)["version"] == live["version"]
    assert json.loads(said)["ended"]


def test_cards_of_runs_hold_scores_curves_and_ideas(server: Server, finished: Path) -> None:
    (card,) = [each for each in json.loads(ask(server, "GET", "/cards")[1]) if each["name"] == finished.name]
    page, result = data_of((finished / "report.html").read_text()), json.loads((finished / "result.json").read_text())
    assert [step[1] for step in card["steps"]] == [each["so_far"] for each in page["trajectory"]]
    assert card["score"][0] == pytest.approx(100 * result["heldout"]["scores"][result["selected"]]["value"], abs=0.01)
    for part in ("search", "heldout"):
        rows = page["curves"][result["selected"]][part]["mean"]
        assert [row[:3] for row in card["curves"][part]["own"]] == [[row[0], row[1], row[3]] for row in rows]
    assert card["label"] == result["selected"]
    assert len(card["ideas"]) == sum(len(each["candidates"]) for each in page["rounds"])
    assert card["date"].startswith("20")


def test_files_for_a_paper_are_those_of_export(server: Server, finished: Path) -> None:
    status, _, headers = ask_bytes(server, f"/runs/{finished.name}/paper/rounds.pdf")
    assert (status, headers["content-type"]) == (200, "application/pdf")
    assert 'filename="rounds.pdf"' in headers["content-disposition"]
    _, content, _ = ask_bytes(server, f"/runs/{finished.name}/paper/scores.tex")
    assert content.startswith(b"% \\usepackage{booktabs}")
    for file in ("run.toml", "..%2frun.toml", "rounds.exe"):
        assert ask_bytes(server, f"/runs/{finished.name}/paper/{file}")[0] == 404


def test_a_damaged_run_does_not_take_the_list_with_it(tmp_path: Path, finished: Path) -> None:
    for name in ("sound", "damaged", "going"):
        shutil.copytree(finished, tmp_path / name)
    (tmp_path / "damaged" / "round-001" / "metrics.json").write_text("[]")
    (tmp_path / "going" / "result.json").unlink()
    with started(tmp_path) as server:
        damaged, going, sound = json.loads(ask(server, "GET", "/cards")[1])
        assert ask(server, "GET", "/")[0] == 200
    assert "damaged" in damaged["trouble"]
    assert "trouble" not in sound
    assert going["ended"] is False
    assert going["score"] is not None
    assert len(going["curves"]["search"]["own"]) > 1
    assert going["same"] == sound["same"]


def test_a_replay_is_what_the_run_stored(server: Server, finished: Path) -> None:
    page = data_of((finished / "report.html").read_text(encoding="utf-8"))
    for label in ("cmc", page["selected"]):
        stored = unpacked(page["packed"]["plays"][label])["sample"][-1]
        status, said = replay(server, finished, {"controller": label, "grid": 0, "beta": stored["beta"], "repeat": 0})
        assert status == 200, said
        assert said["plays"] == stored["plays"]
        assert said["kinds"] == stored["kinds"]
        assert said["orders"] == unpacked(page["packed"]["grids"][0])["orders"]


def test_another_repeat_ends_as_it_was_evaluated(server: Server, finished: Path) -> None:
    status, said = replay(server, finished, {"controller": "esc", "grid": 0, "beta": 1, "repeat": 1})
    assert status == 200, said
    for row in pq.read_table(finished / "round-000" / "evaluation.parquet").to_pylist():
        if (row["controller"], row["beta"], row["repeat"]) == ("esc", 1, 1):
            last = said["plays"][str(row["question"])][-1]
            assert last[:2] == ["A", row["tokens"]]
            assert (last[2] == 0) == row["correct"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"controller": "../../run"}, "none of this run's"),
        ({"controller": 3}, "controller is 3"),
        ({"grid": 1}, "grid is 1"),
        ({"repeat": True}, "repeat is True"),
        ({"beta": 7}, "beta is 7"),
        ({"more": 1}, "nothing else"),
    ],
)
def test_what_cannot_be_replayed_is_named(server: Server, finished: Path, changed: dict[str, Any], named: str) -> None:
    said = {"controller": "sc", "grid": 0, "beta": 1, "repeat": 0, **changed}
    status, answer = replay(server, finished, said)
    assert status == 400
    assert named in answer["error"]


@pytest.mark.parametrize("body", ["{", "[" * 4000, '"\\ud800"', "NaN", "9" * 4000])
def test_what_is_no_request_is_one_of_the_askers_faults(server: Server, finished: Path, body: str) -> None:
    status, answer, _ = ask(server, "POST", f"/runs/{finished.name}/replay", body, **ASKED)
    assert (status, list(json.loads(answer))) == (400, ["error"])


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"x-autotts": ""}, {"content-type": "text/plain"}],
    ids=lambda headers: next(iter(headers)),
)
def test_other_origins_are_refused(server: Server, finished: Path, headers: dict[str, str]) -> None:
    status, _ = replay(server, finished, {"controller": "sc", "grid": 0, "beta": 1, "repeat": 0}, **headers)
    assert status == 403


def test_get_is_for_looking_and_paths_lead_nowhere_else(server: Server, finished: Path) -> None:
    assert ask(server, "GET", "/", host="evil.example")[0] == 403
    assert ask(server, "GET", f"/runs/{finished.name}/replay")[0] == 405
    for path in ("/runs/../../etc/passwd", "/runs/%2e%2e/", "/runs/nobody/", "/x"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "POST", f"/runs/{finished.name}/replay", "{", **ASKED)[0] == 400
    assert ask(server, "POST", f"/runs/{finished.name}/replay", "x" * 5000, **ASKED)[0] == 413


def test_a_run_is_followed_while_it_goes_on(tmp_path: Path, finished: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    later = tmp_path / "later"
    (run / "result.json").unlink()
    (run / "round-002").rename(later)
    (run / "round-000" / "metrics.json").rename(tmp_path / "metrics.json")
    with started(run) as server:
        assert "baselines are not evaluated yet" in ask(server, "GET", "/runs/run/")[1]
        (tmp_path / "metrics.json").rename(run / "round-000" / "metrics.json")
        first = json.loads(ask(server, "GET", "/runs/run/state")[1])
        assert len(data_of(ask(server, "GET", "/runs/run/")[1])["rounds"]) == first["rounds"] == 1
        later.rename(run / "round-002")
        now = json.loads(ask(server, "GET", "/runs/run/state")[1])
        assert now["version"] != first["version"]
        assert len(data_of(ask(server, "GET", "/runs/run/")[1])["rounds"]) == 2


def test_without_a_run_there_is_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match="holds no run"):
        Server(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["ui", str(tmp_path)])
    assert ended.value.code == 1
    assert "holds no run" in capsys.readouterr().err
