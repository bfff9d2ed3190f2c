"""Which pictures a user means."""

from __future__ import annotations

from pathlib import Path

import pytest

from gald.images.find import find_pictures
from gald.support.errors import UserError


def test_pictures_are_found_once_and_never_written_over_each_other(tmp_path: Path) -> None:
    for name in ("a/one.jpg", "a/deep/two.png", "b/one.png", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert set(find_pictures((str(tmp_path / "a"),))) == {"one", "deep/two"}
    assert set(find_pictures((str(tmp_path / "a" / "*.jpg"), str(tmp_path / "a" / "one.jpg")))) == {"one"}
    with pytest.raises(UserError, match="would both be written as 'one'"):
        find_pictures((str(tmp_path / "a"), str(tmp_path / "b")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        find_pictures((str(tmp_path / "empty"),))
