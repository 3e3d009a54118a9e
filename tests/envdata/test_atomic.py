"""Files are wholly there or not at all."""

from pathlib import Path

import pytest

from envdata.atomic import replacing, write_bytes, write_text


def test_content_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    write_text(target, "ä\n")
    assert target.read_bytes() == "ä\n".encode()
    write_bytes(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file"
    write_text(target, "old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_half_written_file_is_hidden_from_listings_by_pattern(tmp_path: Path) -> None:
    with replacing(tmp_path / "grid.parquet") as temporary:
        temporary.write_bytes(b"")
        assert not list(tmp_path.glob("*.parquet"))
        assert temporary.name.startswith(".")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "below", "")
