"""Naming a candidate: a file or a shipped controller, with settings."""

from pathlib import Path

import pytest

from sandbox.candidate import MAX_SOURCE, SHIPPED, Candidate, CandidateError, shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_controllers_go_by_name(name: str) -> None:
    candidate = Candidate.parse(name)
    assert candidate.source == shipped(name).read_text()
    assert (candidate.label, candidate.settings) == (name, ())


def test_settings_are_whole_numbers_or_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    candidate = Candidate.parse(f"{file}:width=8,threshold=0.95,low=-1,scale=1e3,whole=2.0")
    assert candidate.source == "x = 1\n"
    assert candidate.settings == (
        ("width", 8), ("threshold", 0.95), ("low", -1), ("scale", 1000), ("whole", 2.0),
    )  # fmt: skip
    kinds = [type(value) for _, value in candidate.settings]
    assert kinds == [int, float, int, int, float]


def test_the_content_is_what_counts(tmp_path: Path) -> None:
    one, other = tmp_path / "a.py", tmp_path / "b.py"
    for file in (one, other):
        file.write_text("x = 1\n")
    hashes = [Candidate.parse(spec).content_hash for spec in (f"{one}", f"{other}", f"{one}:x=1", f"{one}:x=2")]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smc", "'smc': no such controller .* give a file or one of sc, asc, esc"),
        ("asc:", "'' is not knob=number, as in asc:max_branches=64,threshold=0.95"),
        ("asc:max_branches", "'max_branches' is not knob=number"),
        ("asc:max_branches=many", "'max_branches=many' is not knob=number"),
        ("asc:max_branches=1,max_branches=2", "'max_branches' is set twice"),
        ("asc:max-branches=1", "'max-branches=1' is not knob=number"),
        ("asc:threshold=nan", "'threshold=nan' is not knob=number"),
        ("asc:threshold=-inf", "'threshold=-inf' is not knob=number"),
    ],
)
def test_what_cannot_be_understood(spec: str, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        Candidate.parse(spec)


def test_a_file_that_is_no_source(tmp_path: Path) -> None:
    file = tmp_path / "c.py"
    for content, message in (
        (b"\xff", "is not UTF-8 text"),
        ("pass".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"#" * (MAX_SOURCE + 1), f"{MAX_SOURCE + 1} bytes of source; the limit is {MAX_SOURCE}"),
    ):
        file.write_bytes(content)
        with pytest.raises(CandidateError, match=message):
            Candidate.parse(str(file))
    with pytest.raises(CandidateError, match="Is a directory"):
        Candidate.parse(str(tmp_path))


def test_a_file_as_windows_saves_it_is_the_same_candidate(tmp_path: Path) -> None:
    plain, saved = tmp_path / "a.py", tmp_path / "b.py"
    plain.write_bytes(b"x = 1\ny = 2\n")
    saved.write_bytes(b"\xef\xbb\xbfx = 1\r\ny = 2\r\n")
    assert Candidate.parse(str(saved)).content_hash == Candidate.parse(str(plain)).content_hash
