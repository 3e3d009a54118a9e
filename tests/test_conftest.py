"""The option --no-skips, in pytest runs of its own: a skip must not pass for a test that ran."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST = [sys.executable, "-m", "pytest", "-rA", "--continue-on-collection-errors"]

FILES = {
    "passes": "def test_it(): pass",
    "skips": "import pytest\ndef test_it(): pytest.skip('no engine')",
    "skips_by_mark": "import pytest\n@pytest.mark.skipif(True, reason='no engine')\ndef test_it(): pass",
    "skips_the_module": "import pytest\npytest.skip('no engine', allow_module_level=True)",
    "unmet_need": "import pytest\n@pytest.mark.published\ndef test_it(): pass",
    "fails_as_expected": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, str]:
    """What pytest printed over all the files, by whether --no-skips was given."""
    folder = tmp_path_factory.mktemp("suite")
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = published: x\n")
    for name, text in FILES.items():
        (folder / f"test_{name}.py").write_text(text)
    printed = {}
    for no_skips in (False, True):
        done = subprocess.run(
            [*PYTEST, "--no-skips"] if no_skips else PYTEST,
            cwd=folder,
            # Other packages' plugins are most of the time of a start.
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == int(no_skips), done.stdout + done.stderr
        printed[no_skips] = done.stdout
    return printed


@pytest.mark.parametrize(
    ("name", "plain", "no_skips", "reason"),
    [
        pytest.param("passes", "PASSED", "PASSED", "", id="a test that ran is left alone"),
        pytest.param("skips", "SKIPPED", "FAILED", "no engine", id="skip in the test"),
        pytest.param("skips_by_mark", "SKIPPED", "ERROR", "no engine", id="skip by a mark"),
        pytest.param("skips_the_module", "SKIPPED", "ERROR", "no engine", id="skip of a whole module"),
        pytest.param("unmet_need", "SKIPPED", "ERROR", "AUTOTTS_PUBLISHED is not set", id="unmet need of a marker"),
        pytest.param("fails_as_expected", "XFAIL", "XFAIL", "", id="an expected failure is no skip"),
    ],
)
def test_no_skips(run: dict[bool, str], name: str, plain: str, no_skips: str, reason: str) -> None:
    for given, outcome in ((False, plain), (True, no_skips)):
        summary = run[given].partition("short test summary")[2].splitlines()
        # A skip is summed up under the place where it was called, which for a marker's need is conftest.py.
        lines = [line for line in summary if f"test_{name}.py" in line or (outcome == "SKIPPED" and reason in line)]
        assert any(line.startswith(outcome) for line in lines), run[given]
        assert reason in run[given]
