"""Numbers on the screen and in files: percent, tables, JSON without NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gald.support.files import json_text, write_json
from gald.support.tables import console, percent


def test_percent() -> None:
    assert (percent(0.12345), percent(0.12345, 2), percent(-0.5)) == ("12.3", "12.35", "-50.0")
    assert (percent(math.nan), percent(math.nan, 2, absent="-")) == ("n/a", "-")


def test_a_file_gets_a_wide_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert console(170).width == 170


def test_json_has_null_for_what_is_no_finite_number(tmp_path: Path) -> None:
    content = {"a": math.nan, "b": [1.5, (math.inf, 2)], "c": {"d": -math.inf, "e": "nan"}, "f": None, "g": True}
    plain = {"a": None, "b": [1.5, [None, 2]], "c": {"d": None, "e": "nan"}, "f": None, "g": True}
    assert json_text(content) == json.dumps(plain)
    write_json(tmp_path / "new" / "x.json", content)
    assert (tmp_path / "new" / "x.json").read_text() == json.dumps(plain, indent=2)
