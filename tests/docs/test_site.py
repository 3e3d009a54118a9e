"""The documentation site: it is built without a warning, so that no link is broken, and holds what it is made from."""

import subprocess
import sys
from pathlib import Path

import pytest

import autotts
from graph.cli import COMMANDS

pytestmark = pytest.mark.docs
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_readme_is_the_home_page_and_shows_the_picture(site: Path) -> None:
    assert 'src="images/theatre.gif"' in (site / "index.html").read_text()
    assert (site / "images/theatre.gif").stat().st_size < 500_000
    assert 'href="tutorial.html"' in (site / "index.html").read_text()


def test_every_command_and_public_name_has_an_entry(site: Path) -> None:
    commands = (site / "reference/commands.html").read_text()
    assert [name for name in COMMANDS if f"autotts {name} " not in commands] == []
    names = (site / "reference/python.html").read_text()
    assert [name for name in autotts.__all__ if f'id="{name}"' not in names] == []


def test_every_controller_is_in_the_gallery_with_its_source(site: Path) -> None:
    text = (site / "gallery.html").read_text()
    shipped = [path.stem for path in (ROOT / "sandbox/controllers").glob("[a-z]*.py")]
    assert [name for name in shipped if f"sandbox/controllers/{name}.py" not in text] == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    text = (site / "tutorial.html").read_text()
    assert "fonts.googleapis" not in text
    assert 'src="http' not in text
