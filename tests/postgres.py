"""Where Debian keeps PostgreSQL's programs, which are not on the path."""

import shutil
from pathlib import Path


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None if there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    places += [Path(found).parent] if found else []
    return next((place for place in places if (place / "initdb").exists()), None)
