"""Settings: saved and read back as they were, and refused in one sentence where they cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gald.config.network import SegmenterConfig
from gald.config.recipes import RECIPES
from gald.config.serialization import from_json, to_json
from gald.config.settings import LossConfig, OptimizerConfig, SegmentationConfig, SegmentationDataConfig
from gald.support.errors import UserError


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_its_file(name: str) -> None:
    config = RECIPES[name]()
    assert from_json(to_json(config)) == config


def test_paths_and_tuples_come_back_as_they_were() -> None:
    config = SegmentationConfig(
        data=SegmentationDataConfig(root=Path("/data/x"), crop=(64, 96)),
        model=SegmenterConfig(weights=Path("w.safetensors")),
    )
    back = from_json(to_json(config))
    assert back == config
    assert isinstance(back.data.root, Path)
    assert back.data.crop == (64, 96)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "here is not JSON"),
        ("[]", "here should hold named settings, found list"),
        ('{"stepz": 3}', "unknown setting in here 'stepz'; did you mean 'steps'"),
        ('{"steps": "many"}', "here: steps is 'many', which is not int"),
        ('{"steps": true}', "here: steps is True, which is not int"),
        ('{"data": {"crop": [1, 2, 3]}}', r"here: data: crop is \[1, 2, 3\]"),
        ('{"precision": "8-bit"}', "here: precision is '8-bit'"),
        ('{"steps": 0}', "here: steps is 0; it must be at least 1"),
        ('{"model": {"channels": 0}}', "here: model.channels is 0; it must be at least 1"),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        from_json(text, "here")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: SegmentationDataConfig(crop=(8, 64)), "both sides must be at least 32"),
        (lambda: SegmentationDataConfig(scale=(2.0, 0.5)), "the smaller first"),
        (lambda: SegmentationDataConfig(flip=2.0), "a chance between 0 and 1"),
        (lambda: SegmentationDataConfig(jitter=-1.0), "between 0 and 1"),
        (lambda: SegmentationDataConfig(workers=-1), "0 or more"),
        (lambda: LossConfig(threshold=0.0), "it is a probability"),
        (lambda: LossConfig(class_balance=2.0), "between 0 and 1"),
        (lambda: OptimizerConfig(lr=0.0), "must be above 0"),
        (lambda: OptimizerConfig(head_lr=0.0), "head_lr is 0.0; it must be above 0"),
        (lambda: OptimizerConfig(momentum=1.0), "momentum is 1.0"),
        (lambda: OptimizerConfig(momentum=-0.1), "momentum is -0.1"),
        (lambda: OptimizerConfig(weight_decay=-1.0), "weight_decay is -1.0"),
        (lambda: OptimizerConfig(power=-1.0), "power is -1.0"),
        (lambda: OptimizerConfig(clip=-1.0), "clip is -1.0"),
        (lambda: LossConfig(aux_weight=-1.0), "aux_weight is -1.0"),
        (lambda: SegmentationDataConfig(drawn_size=(4, 64)), "both sides must be at least 8"),
        (lambda: SegmentationDataConfig(drawn_classes=1), "it must be 2 to 253"),
        (lambda: SegmentationDataConfig(drawn_classes=254), "it must be 2 to 253"),
        (lambda: SegmentationConfig(seed=-1), "seed is -1"),
        (lambda: SegmenterConfig(channels=0), "at least 1"),
        (lambda: SegmenterConfig(pretrained=True, weights=Path("x")), "not both"),
        (lambda: SegmentationConfig(batch=0), "batch is 0"),
        (lambda: replace(SegmentationConfig(), val_every=-1), "val_every is -1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(make: object, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make()
