"""Implementations by name, of the project and of packages that are made here, and the errors that name them."""

from pathlib import Path

import pytest

from envdata.plugins import PluginGroup

GROUP = PluginGroup(
    "autotts.tests", "shape", {"square": "plugged_shapes:square", "lost": "plugged_shapes:gone"}, LookupError
)


def install(folder: Path, name: str, version: str, *entries: str) -> None:
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text("\n".join(["[autotts.tests]", *entries, ""]))


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugged_shapes.py").write_text("square, circle = 'a square', 'a circle'\n")
    (tmp_path / "plugged_trap.py").write_text("raise SystemExit('executed')\n")
    install(tmp_path, "rounds", "2.0", "circle = plugged_shapes:circle", "square = plugged_shapes:circle",
            "trap = plugged_trap", "nowhere = plugged_nowhere", "twice = plugged_shapes:circle")  # fmt: skip
    install(tmp_path, "ovals", "0.3", "twice = plugged_shapes:square")
    monkeypatch.syspath_prepend(tmp_path)


def test_both_kinds_are_loaded_alike_and_a_name_of_the_project_is_not_taken() -> None:
    assert (GROUP.load("square"), GROUP.load("circle")) == ("a square", "a circle")
    assert (GROUP.origin("square"), GROUP.origin("circle")) == (None, "rounds 2.0")
    assert GROUP.names() == ["square", "lost", "circle", "nowhere", "trap", "twice"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("oval", r"there is no shape 'oval'; there are square, lost, circle, .* of the group autotts.tests"),
        ("lost", r"the shape 'lost' \(plugged_shapes:gone\) cannot be loaded: AttributeError"),
        ("nowhere", r"the shape 'nowhere' \(plugged_nowhere of rounds 2.0\) cannot be loaded: ModuleNotFoundError"),
        ("twice", r"the shape 'twice' is registered 2 times, by ovals and rounds; remove one"),
    ],
)
def test_what_cannot_be_loaded_is_named(name: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        GROUP.load(name)


def test_the_file_of_a_module_is_found_without_executing_it(tmp_path: Path) -> None:
    assert GROUP.file("trap") == tmp_path / "plugged_trap.py"
    with pytest.raises(LookupError, match="there is no file of a module 'plugged_nowhere'"):
        GROUP.file("nowhere")
