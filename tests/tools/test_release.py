"""Files for contributors and releases agree with the project: versions, suites, templates, what the wheel holds."""

import re
import tomllib
from pathlib import Path

import pytest

from graph.cli.init import FILES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_versions_are_equal() -> None:
    version = PROJECT["project"]["version"]
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert re.search(rf"^## .*{re.escape(version)}", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_every_suite_of_ci_is_in_the_table_of_contributors() -> None:
    listed = re.search(r"^all_suites=\((.*)\)$", (ROOT / ".ci/run").read_text(), re.M)
    assert listed is not None
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert listed[1].split() == table


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_a_form_has_unique_fields(path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= form.keys()
    fields = [each["id"] for each in form["body"]]
    assert len(set(fields)) == len(fields)
    assert all(each["attributes"]["label"] for each in form["body"])


def test_the_wheel_gets_the_files_that_init_writes() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["graph"]
    matched = {path.name for pattern in patterns for path in (ROOT / "graph").glob(pattern)}
    assert set(FILES) <= matched
