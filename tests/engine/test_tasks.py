"""The contract of a task, walked through as the loop and the commands do, on each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gald.config.network import DetectorConfig, SegmenterConfig
from gald.config.serialization import RUNS
from gald.config.settings import DetectionConfig, LossConfig, RunConfig, SegmentationConfig, SegmentationDataConfig
from gald.engine.tasks import build_task
from gald.images.io import write_image

CONFIGS = {
    "segment": SegmentationConfig(
        model=SegmenterConfig(backbone="test_resnet", ga="psp", channels=8, output_stride=16),
        data=SegmentationDataConfig(crop=(32, 48), drawn_size=(32, 48), drawn_classes=3),
        loss=LossConfig(min_kept=100, class_balance=1.0),
    ),
    "detect": DetectionConfig(
        model=DetectorConfig(
            backbone="test_resnet", ga="psp", masks=True, norm="batch", strides=(8, 16), anchors=(12, 24, 48),
            fpn_channels=8, head_channels=8, short=(48,), longest=64, proposals=20, samples=8,
        ),
    ),
}  # fmt: skip


def test_every_kind_of_run_has_its_example_here() -> None:
    assert CONFIGS.keys() == RUNS.keys()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_task_trains_is_measured_and_writes(config: RunConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = build_task(config)
    train, val = (task.build_dataset(split) for split in ("train", "val"))
    assert train.labelled
    assert train.labels == val.labels
    model = task.build_model(len(train.labels))

    # training: the stream repeats itself exactly, every parameter learns, those of the backbone are known by name
    samples = task.training_samples(train)
    assert torch.equal(samples[5]["image"], samples[5]["image"])
    terms = task.build_loss(train, show_progress=False)(model, [samples[0], samples[1]])
    assert len(terms) > 1
    terms["loss"].backward()
    learned = [name for name, value in model.named_parameters() if value.grad is not None]
    assert any(name.startswith(task.backbone_prefix) for name in learned)
    assert any(not name.startswith(task.backbone_prefix) for name in learned)

    # the check before a checkpoint is kept: finite, and not finite when a weight isn't
    model.eval()
    with torch.no_grad():
        assert task.activation(model, [samples[0]]).isfinite()

    # evaluation: the number that the best checkpoint is chosen by is among those of a validation, and of evaluate
    predict = task.build_predictor(model)
    measured = {}
    for complete in (False, True):
        metrics = task.build_metrics(val, complete=complete)
        for index in range(2):
            sample = task.evaluation_samples(val)[index]
            with torch.inference_mode():
                task.update_metrics(metrics, predict(sample["image"]), sample)
        measured[complete] = {key: float(value) for key, value in metrics.compute().items()}
    assert 0 <= measured[False][task.score] <= 1
    assert measured[True][task.score] == measured[False][task.score]
    assert measured[False].keys() < measured[True].keys()
    assert task.score_table(measured[True], val).row_count == len(val.labels) + 1

    # what gald predict writes
    writer = task.build_writer(val.labels, tmp_path, None)
    image = task.evaluation_samples(val)[0]["image"]
    write_image(image, tmp_path / "street.png")
    with torch.inference_mode():
        writer.add("street", ".png", image, predict(image))
    assert str(tmp_path) in writer.close()
    assert (tmp_path / "overlays" / "street.jpg").is_file()

    with torch.no_grad():
        next(value for value in model.parameters() if value.ndim == 4).fill_(float("nan"))
        assert not task.activation(model, [samples[0]]).isfinite()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_weights_are_built_without_reading_a_file(config: RunConfig, tmp_path: Path) -> None:
    gone = replace(config, model=replace(config.model, weights=tmp_path / "gone.safetensors"))
    keys = build_task(config).build_model(3).state_dict().keys()
    assert build_task(gone).build_model(3, initial_weights=False).state_dict().keys() == keys
