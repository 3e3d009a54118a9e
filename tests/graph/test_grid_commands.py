"""`autotts grid verify` and `autotts grid card`, as they are typed."""

import json

import matplotlib.image
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from envdata.grid import write_grid
from graph.cli.grid import grid_group
from tests import grids

SEARCH = "envdata/bundled/word-problems-search.parquet"
HELDOUT = "envdata/bundled/word-problems-heldout.parquet"


def call(*words):
    return CliRunner().invoke(grid_group, [str(word) for word in words])


def test_a_sound_grid_ends_well(tmp_path):
    result = call("verify", SEARCH)
    assert result.exit_code == 0, result.output
    assert "majority right      62.5 % (47.7 … 76.0)" in result.output
    assert "fit to be searched on" in result.output


def test_a_faulty_one_and_a_broken_one_do_not(tmp_path):
    faulty = grids.write(tmp_path / "faulty.parquet", grids.rows("q: 7\n 0 5 - ''\n 1 6 - ''\n 2 7 - 7"))
    (tmp_path / "broken.parquet").write_text("no")
    result = call("verify", faulty, tmp_path / "broken.parquet", "--json")
    assert result.exit_code == 1
    first, second = map(json.loads, result.output.splitlines())
    assert not first["holds"]
    assert [check["name"] for check in first["checks"] if check["must"] and not check["holds"]] == ["final answers"]
    assert first["single_branch_accuracy"][0] == pytest.approx(33.3333)
    assert (second["holds"], "not a readable Parquet file" in second["error"]) == (False, True)
    assert "NOT fit" in call("verify", faulty).output
    assert "fault   " in call("verify", tmp_path / "broken.parquet").output


def test_pictures_come_as_png_and_svg_the_same_each_time(tmp_path):
    for name in ("a.png", "a.svg", "b.svg"):
        assert call("verify", SEARCH, "--picture", tmp_path / name).exit_code == 0
    assert matplotlib.image.imread(tmp_path / "a.png").shape[2] == 4
    svg = (tmp_path / "a.svg").read_text()
    for words in ("accuracy by depth", "lengths", "agreement over time"):
        assert words in svg
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_picture_needs_one_grid_and_a_known_form(tmp_path):
    assert "--picture draws one grid" in call("verify", SEARCH, HELDOUT, "--picture", tmp_path / "a.png").output
    result = call("verify", SEARCH, "--picture", tmp_path / "a.pdf")
    assert (result.exit_code, "written as .png or .svg" in result.output) == (1, True)


def test_a_card_reads_as_the_hub_reads_it(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    out = tmp_path / "README.md"
    words = ("card", SEARCH, HELDOUT, "--out", out, "--title", 'word: "problems" # 1', "--licence", "apache-2.0")
    assert call(*words).exit_code == 0
    card = hub.DatasetCard.load(out)
    assert card.data.pretty_name == 'word: "problems" # 1'
    assert card.data.license == "apache-2.0"
    assert card.data.size_categories == ["1K<n<10K"]
    (config,) = yaml.safe_load(out.read_text().split("---")[1])["configs"]
    assert config["data_files"] == [
        {"split": "word_problems_search", "path": "word-problems-search.parquet"},
        {"split": "word_problems_heldout", "path": "word-problems-heldout.parquet"},
    ]
    text = card.text
    assert "| `probe_confidences` | list of float |" in text
    assert "| a single branch is right | 41.5 (32.7 … 50.9) | 43.3 (34.2 … 52.9) |" in text
    assert "word-problems?count=48&seed=1&skip=48" in text
    result = call(*words)
    assert (result.exit_code, "is there already; --force" in result.output) == (1, True)
    assert call(*words, "--force").exit_code == 0


def test_grids_and_their_card_load_as_a_dataset(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "grids"
    folder.mkdir()
    grids.write_worked(folder)
    assert call("card", folder / "worked.parquet").exit_code == 0
    loaded = datasets.load_dataset(str(folder))
    assert list(loaded) == ["worked"]
    assert len(loaded["worked"]) == 16


EVIL = "\x1b]0;owned\x07 \u202eevil \u2060\ufe0f"


def test_nothing_of_a_grid_s_provenance_moves_the_terminal(tmp_path):
    path = tmp_path / "g.parquet"
    write_grid(path, grids.rows(), 10, {EVIL: [EVIL], "model": EVIL})
    for words in (("info", path), ("info", path, "--json"), ("verify", path), ("verify", path, "--json")):
        shown = call(*words).output
        assert all(character.isprintable() or character == "\n" for character in shown), words
    told = json.loads(call("info", path, "--json").output)
    assert told["provenance"]["model"] == EVIL, "JSON means the same"


def test_names_are_taken_wherever_paths_are(tmp_path):
    assert "questions                   48" in call("info", "bundled").output
    assert call("verify", "bundled/heldout").exit_code == 0
    assert call("card", "bundled", "--out", tmp_path / "README.md").exit_code == 0
    assert "word-problems-search.parquet" in (tmp_path / "README.md").read_text()
    assert "bundled/search" in call("list").output


def test_a_table_is_imported_as_it_is_typed(tmp_path):
    table = pq.ParquetFile(grids.write_worked(tmp_path)).read().replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "table.parquet")
    result = call("import", "table", tmp_path / "table.parquet", "--interval", 10, "--out", tmp_path / "g.parquet")
    assert (result.exit_code, "3 questions, 16 branches" in result.output) == (0, True)
    assert call("info", tmp_path / "g.parquet").exit_code == 0
