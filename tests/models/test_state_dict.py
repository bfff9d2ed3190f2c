"""Files of weights from anywhere: read whole or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gald.models.state_dict import checked_state_dict, read_weights
from gald.support.errors import UserError


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_what_was_saved_comes_back(suffix: str, tmp_path: Path):
    path, weights = tmp_path / f"a{suffix}", {"w": torch.arange(3.0)}
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    found = checked_state_dict(read_weights(path), str(path))
    assert found.keys() == weights.keys()
    assert torch.equal(found["w"], weights["w"])


@pytest.mark.parametrize("content", [None, [], {}, {"epoch": 3}, {3: torch.zeros(1)}, torch.zeros(1)])
def test_what_is_no_state_dict(content: object):
    with pytest.raises(UserError, match="^here holds no state dict"):
        checked_state_dict(content, "here")


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors", "absent.pth"])
def test_what_cannot_be_read(name: str, tmp_path: Path):
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(UserError, match=rf"no weights at .*{name}|{name} can't be read as weights"):
        read_weights(tmp_path / name)
