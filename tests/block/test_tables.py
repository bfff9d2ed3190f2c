"""The tables of parts: names that can be listed without torch; a new part is one file and one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gald.block import part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.block.gald import GALD
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

FILE = """
from torch import nn

class Mine(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(channels, channels, 1)
"""


def test_names_can_be_listed_without_torch():
    code = (
        "import sys; from gald.block import ORDERS; from gald.block.aggregation import AGGREGATORS\n"
        "from gald.block.distribution import DISTRIBUTORS; print(len(AGGREGATORS), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{len(AGGREGATORS)} False\n", done.stderr


@pytest.mark.parametrize("entry", (AGGREGATORS | DISTRIBUTORS).values())
def test_every_line_leads_to_a_part(entry: str):
    assert isinstance(part_class(entry)(16), nn.Module)


@pytest.mark.parametrize("table", [AGGREGATORS, DISTRIBUTORS], ids=["ga", "ld"])
def test_a_new_part_is_one_file_and_one_line(
    table: dict[str, str | type[nn.Module]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "my_own_part.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(table, "mine", "my_own_part:Mine")
    slot = "ga" if table is AGGREGATORS else "ld"
    for built in (GALD(8, **{slot: "mine"}), Segmenter("test_resnet", 2, channels=8, **{slot: "mine"}).block):
        assert type(getattr(built, slot)).__name__ == "Mine"
        assert built(torch.zeros(1, 8, 9, 9)).shape == (1, 8, 9, 9)
    with pytest.raises(UserError, match="did you mean 'mine'"):
        GALD(8, **{slot: "mien"})


def test_a_class_may_stand_in_the_table_itself(monkeypatch: pytest.MonkeyPatch):
    class Mine(nn.Identity):
        pass

    monkeypatch.setitem(AGGREGATORS, "mine", Mine)
    assert type(GALD(8, "mine").ga) is Mine
