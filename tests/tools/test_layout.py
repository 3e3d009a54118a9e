"""Modules stay of a size at which one idea fills one file. Import directions are import-linter's (`pyproject.toml`)."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("autotts", "envdata", "sandbox", "graph")
FEWEST, MOST = 25, 400
"""Lines of a module; `__init__` and `__main__` may be shorter, and shipped controllers too."""


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_neither_scraps_nor_monsters(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    lines = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {path: count for path, count in lines.items() if count > MOST} == {}
    short_on_purpose = ("__init__", "__main__")
    scraps = {
        path: count
        for path, count in lines.items()
        if count < FEWEST and path.stem not in short_on_purpose and path.parent.name != "controllers"
    }
    assert scraps == {}


def test_graph_has_packages_alone() -> None:
    assert [path.name for path in (ROOT / "graph").glob("*.py")] == ["__init__.py"]
