"""What a user gets who names no aggregation: pyramid pooling, but for a detector, whose last map is too wide."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest

import gald
from gald.block.aggregation.cgnl import CGNL
from gald.block.aggregation.psp import PSP
from gald.config.serialization import from_json, to_json
from gald.config.settings import DetectionConfig, RunConfig, SegmentationConfig
from gald.models.plug import Plug


@pytest.mark.parametrize("build", [gald.GALD, gald.plug, gald.Segmenter], ids=lambda build: build.__name__)
def test_the_default_aggregation_is_psp(build: Callable[..., Any]):
    assert signature(build).parameters["ga"].default == "psp"


def test_the_default_aggregation_is_built():
    assert isinstance(gald.GALD(8).ga, PSP)
    assert isinstance(gald.GALD(8, "cgnl").ga, CGNL)
    assert isinstance(gald.Segmenter("test_resnet", 2, channels=8, output_stride=32).block.ga, PSP)
    for build in (gald.faster_rcnn, gald.mask_rcnn):
        block = build("test_resnet", 2, fpn_channels=8, head_channels=8).backbone.block
        assert isinstance(block, Plug)
        assert isinstance(block.block.ga, CGNL)


@pytest.mark.parametrize(("run", "default"), [(SegmentationConfig, "psp"), (DetectionConfig, "cgnl")])
def test_settings_that_name_cgnl_keep_it(run: type[RunConfig], default: str):
    assert run().model.ga == default
    saved = json.loads(to_json(run()))
    saved["model"]["ga"] = "cgnl"  # what every config.json and checkpoint of before says
    assert from_json(json.dumps(saved)).model.ga == "cgnl"
