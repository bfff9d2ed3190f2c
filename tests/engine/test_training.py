"""Training as users run it: killed and resumed, over several processes, on bad numbers and full disks."""

from __future__ import annotations

import contextlib
import json
import math
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from fake import camvid as fake_camvid
from fake.streets import label as write_label
from filelock import FileLock
from lightning_fabric import Fabric
from running import ENVIRONMENT, PATIENCE, TINY, assert_same, fit, gald, interrupt, interrupt_step, line, lines
from safetensors.torch import save_file

from gald.config.network import DetectorConfig, SegmenterConfig
from gald.config.settings import (
    DetectionConfig,
    LossConfig,
    OptimizerConfig,
    SegmentationConfig,
    SegmentationDataConfig,
)
from gald.data.labels import Label
from gald.data.registry import load_segmentation
from gald.data.sampling import Stream
from gald.data.segmentation import SegmentationDataset
from gald.engine import build, checkpoint
from gald.engine import train as training
from gald.engine.log import Log, validated
from gald.engine.optim import learning_rate
from gald.engine.tasks import load_model
from gald.engine.tasks.segmentation import class_weights
from gald.images.io import read_label
from gald.models.segmenter import Segmenter
from gald.support.distributed import process_group
from gald.support.errors import UserError

CONFIG = SegmentationConfig(
    model=SegmenterConfig(backbone="test_resnet", channels=8, output_stride=16),
    data=SegmentationDataConfig(name="camvid", crop=(32, 48), workers=0),
    loss=LossConfig(min_kept=100),
    optim=OptimizerConfig(lr=0.05),
    steps=2,
    batch=2,
    log_every=1,
    save_every=1,
    accelerator="cpu",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_camvid.write(tmp_path_factory.mktemp("camvid"))


@pytest.fixture(scope="module")
def straight(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    out = tmp_path_factory.mktemp("straight") / "run"
    done = gald("train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", out, *TINY)
    assert done.returncode == 0, done.stderr
    assert "best.safetensors" in done.stdout
    return out


def config_at(root: Path, **changes: object) -> SegmentationConfig:
    return replace(CONFIG, data=replace(CONFIG.data, root=root), **changes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_and_resumed_run_ends_bit_for_bit_like_one_that_was_not(
    straight: Path, root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    command = ["train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", out, *TINY]
    stopped = interrupt(line(*command), 4, number)  # in an epoch, past the save at step 2
    if number == signal.SIGINT:
        assert stopped.returncode == 130
        assert "--resume" in stopped.stdout
    else:
        assert stopped.returncode == -signal.SIGKILL
    assert (out / "last.pt").is_file()

    saved = checkpoint.load(out / "last.pt").step
    resumed = gald(*command, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"going on at step {saved} of 6" in resumed.stdout
    assert_same(straight, out)
    steps = [each["step"] for each in lines(out / "metrics.jsonl") if each["kind"] == "train"]
    assert steps == [1, 2, 3, 4, 5, 6]  # what the killed run logged past its checkpoint isn't there twice


def test_adamw_goes_on_bit_for_bit_too(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its moments and its count of steps are in the checkpoint; and it does not take the steps of SGD."""
    optim = OptimizerConfig(lr=0.002, method="adamw", momentum=0.8)
    config = config_at(root, steps=4, optim=optim, model=replace(CONFIG.model, aux=False))  # no dropout
    fit(config, tmp_path / "straight")
    fit(replace(config, optim=replace(optim, method="sgd")), tmp_path / "sgd")
    interrupt_step(2, monkeypatch)
    assert fit(config, tmp_path / "stopped").step == 2
    assert fit(config, tmp_path / "stopped", resume=True).step == 4
    straight, stopped, sgd = (checkpoint.load(tmp_path / run / "last.pt") for run in ("straight", "stopped", "sgd"))
    for name, value in straight.weights.items():
        assert torch.equal(value, stopped.weights[name]), name
    assert any(not torch.equal(value, sgd.weights[name]) for name, value in straight.weights.items())
    assert straight.optimizer is not None
    assert straight.optimizer["param_groups"][0]["betas"] == (0.8, 0.999)


def test_two_processes_follow_one(root: Path, tmp_path: Path) -> None:
    """At equal global batch and equal micro-batches, within rounding; each picture is validated once."""
    command = [
        "train",
        "synthetic",
        "--data.name",
        "camvid",
        "--data.root",
        root,
        *TINY,
        "--model.no-aux",
    ]  # no dropout
    one = gald(*command, "--micro-batch", 2, "--out", tmp_path / "one")
    two = gald(*command, "--devices", 2, "--out", tmp_path / "two")
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert_close(tmp_path / "one", tmp_path / "two")
    assert two.stdout.count("best checkpoint") == 1


def test_two_machines_under_torchrun_follow_one(root: Path, tmp_path: Path) -> None:
    """Two torchrun processes on loopback stand for two machines."""
    command = ["train", "synthetic", "--data.name", "camvid", "--data.root", root, *TINY, "--model.no-aux"]
    one = gald(*command, "--micro-batch", 2, "--out", tmp_path / "one")
    assert one.returncode == 0, one.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rest = [*map(str, command), "--nodes", "2", "--out", str(tmp_path / "two")]
    machines = [
        subprocess.Popen(
            [
                sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1",
                f"--node-rank={rank}", "--master-addr=127.0.0.1", f"--master-port={port}", "-m", "gald.cli", *rest,
            ],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    for machine in machines:
        _, errors = machine.communicate(timeout=PATIENCE)
        assert machine.returncode == 0, errors
    assert_close(tmp_path / "one", tmp_path / "two")


def assert_close(first: Path, second: Path) -> None:
    """Parameters within rounding. Running statistics are averages over processes there, a moving average here."""
    one, two = checkpoint.load(first / "last.pt"), checkpoint.load(second / "last.pt")
    for name, value in one.weights.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(
                value, two.weights[name], rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
            )
    assert sum(each["kind"] == "val" for each in lines(second / "metrics.jsonl")) == 2


def test_a_mistake_that_one_process_meets_is_said_once_and_ends_all(tmp_path: Path) -> None:
    """A label that is wrong in a picture of the second process only, and a folder that holds a run already."""
    root = fake_camvid.write(tmp_path / "data")
    out = tmp_path / "run"
    command = ["train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", out, *TINY, "--devices", 2]
    stream = Stream(load_segmentation("camvid", root, "train"), lambda sample: sample, seed=0)
    # batches of 4 over 3 pictures: the first step's positions 0, 1 are the first process's, 2 the second's
    write_label(root / "train" / "labels" / f"{stream.data.name(stream.index(2))}.png", (0, 1, 77))
    done = gald(*command)
    assert done.returncode == 2
    assert done.stderr.count("has the value 77") == 1
    assert "Traceback" not in done.stderr

    out.mkdir(exist_ok=True)
    (out / "last.pt").touch()
    done = gald(*command)
    assert done.returncode == 2
    assert done.stderr.count("holds a run already") == 1
    assert "Traceback" not in done.stderr


def test_synchronised_batch_norm_keeps_the_activations_inside_timms_norms() -> None:
    """torch's own conversion drops them, with equal keys, so that nobody would notice."""
    network = Segmenter.from_config(replace(CONFIG.model, backbone="test_efficientnet"), 5).eval()
    images = torch.rand(1, 3, 64, 64)
    before = network(images)["out"]
    torch.testing.assert_close(build.convert_sync_batchnorm(network)(images)["out"], before)


def test_what_a_run_began_from_may_be_gone_when_it_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    config = config_at(root, model=replace(CONFIG.model, weights=weights), steps=4)
    interrupt_step(2, monkeypatch)
    assert fit(config, tmp_path / "run").step == 2
    weights.unlink()
    assert fit(config, tmp_path / "run", resume=True).step == 4


def test_a_torn_line_in_the_log_is_dropped_and_its_validation_done_again(root: Path, tmp_path: Path) -> None:
    """Killed while the last line was written; without that line the run isn't finished."""
    fit(config_at(root), tmp_path)
    log = tmp_path / "metrics.jsonl"
    whole, val = log.read_text().splitlines()[:-1], log.read_text().splitlines()[-1]
    assert '"kind": "val"' in val
    log.write_text("\n".join([*whole, val[:20]]))
    fit(config_at(root), tmp_path, resume=True)
    assert all(line.endswith("}") for line in log.read_text().splitlines())
    assert [line["kind"] for line in lines(log)].count("val") == 1


def test_an_ended_run_says_so_and_is_left_as_it_is(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", out, *TINY, "--steps", "1"]
    assert gald(*command).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (root / "train").rename(tmp_path / "gone")  # nor are its data looked at
    done = gald("train", "--resume", "--out", out)
    (tmp_path / "gone").rename(root / "train")
    assert done.returncode == 0, done.stderr
    best = out / "best.safetensors"
    score = f"val mIoU {100 * checkpoint.load(best).best:.2f} %"
    assert done.stdout == f"finished: 1 steps; best checkpoint: {best} ({score})\n"
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_what_is_wrong_is_told_at_once_and_nothing_is_made(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = gald(
        "train", "synthetic", "--data.name", "camvid", "--data.root", root, "--data.val-split", "nowhere",
        "--precision", "bf16-mixed", "--out", tmp_path / "file" / "run", "--accelerator", "cpu",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert re.match(r"gald: can't write into .*run: .*file is a file; choose another --out", first)
    assert second.startswith("also: unknown split 'nowhere'")


def test_a_wrong_folder_is_told_before_the_processes_start(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fabric, "launch", lambda _: pytest.fail("processes were started"))
    lost = config_at(root / "nowhere", devices=2, batch=4, accelerator="cpu")
    with pytest.raises(UserError, match="nowhere"):
        fit(lost, tmp_path / "run")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"model": replace(CONFIG.model, ga="nix", ld="nought")}, ["aggregation 'nix'", "distribution 'nought'"]),
        ({"model": replace(CONFIG.model, order="ga", ld="not looked up", ga="nix")}, ["aggregation 'nix'"]),
        ({"model": replace(CONFIG.model, order="ld,ga")}, ["order 'ld,ga'"]),
        ({"model": replace(CONFIG.model, weights=Path("nope.safetensors"))}, ["no backbone weights at nope.safetens"]),
        ({"init": Path("nope.pt")}, ["no checkpoint at nope.pt"]),
        ({"batch": 3, "micro_batch": 2}, ["a batch of 3 does not divide"]),
    ],
)
def test_a_wrong_out_hides_no_other_mistake(
    root: Path, tmp_path: Path, changed: dict[str, Any], told: list[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as error:
        fit(config_at(root, **changed), tmp_path / "file" / "run")
    first, *others = str(error.value).splitlines()
    assert "is a file; choose another --out" in first
    assert len(others) == len(told)
    for sentence, what in zip(others, told, strict=True):
        assert what in sentence


def test_the_file_of_torchvisions_detector_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shapes = DetectionConfig(model=DetectorConfig(torchvision=tmp_path / "nope.pth"))
    with pytest.raises(UserError, match=r"choose another --out\nalso: no weights of torchvision's detector at .*nope"):
        fit(shapes, tmp_path / "file" / "run")


def test_lines_that_are_none_of_a_log_are_dropped(root: Path, tmp_path: Path) -> None:
    kept = ['{"step": 1, "kind": "train"}', '{"step": 2, "kind": "train"}']
    others = [
        "7",
        '{"step": "2", "kind": "train"}',
        '{"step": 1}',
        '{"step": 2, "kind": "val"}',
        '{"step": 3, "kind": "x"}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join([kept[0], *others, kept[1]]))
    Log(tmp_path, config_at(root), 2, "here")
    assert (tmp_path / "metrics.jsonl").read_text().splitlines()[:-1] == kept
    assert not validated(tmp_path, 1)


def test_a_log_that_cannot_be_written_costs_lines_not_the_run(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")  # a real full disk, for this file alone
    log = Log(tmp_path, config_at(root), 0, "here")
    log.write("train", 1, {"loss": math.inf})
    assert capsys.readouterr().err.count("the run goes on without it") == 1


def test_a_loss_that_is_not_finite_stops_with_step_and_pictures_and_keeps_the_last_checkpoint(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = config_at(root, optim=OptimizerConfig(lr=1e-3, warmup=0), steps=20)
    real = training.learning_rate
    monkeypatch.setattr(training, "learning_rate", lambda *args: 1e30 if args[1] == 3 else real(*args))
    with pytest.raises(UserError, match=r"not finite at step \d+, batch train_\w+.*last good checkpoint is .*last\.pt"):
        fit(wild, tmp_path / "run")
    kept = tmp_path / "run" / "last.pt"
    assert kept.is_file()
    images = torch.randint(0, 256, (1, 3, 32, 48), dtype=torch.uint8)
    assert load_model(kept)[0](images)["out"].isfinite().all()


def test_a_run_is_not_written_over_and_nothing_is_not_resumed(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no last\.pt to resume from"):
        fit(config_at(root), tmp_path / "run", resume=True)
    fit(config_at(root), tmp_path / "run")
    with pytest.raises(UserError, match="holds a run already: go on with it by --resume"):
        fit(config_at(root), tmp_path / "run")
    with pytest.raises(UserError, match=r"other settings \(seed was 0, is 7\)"):
        fit(config_at(root, seed=7), tmp_path / "run", resume=True)


def test_two_runs_into_one_folder(root: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="another run is writing into"):
        fit(config_at(root), tmp_path)


def test_a_folder_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="can't write into .*file/run"):
        fit(config_at(root), tmp_path / "file" / "run")


def test_the_previous_checkpoint_survives_a_full_disk(root: Path, tmp_path: Path) -> None:
    fit(config_at(root), tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    content = checkpoint.load(tmp_path / "last.pt")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a real refusal of the kernel, in mid-file
    try:
        with pytest.raises(UserError, match=r"cannot write .*last\.pt: .*the file that was there is untouched"):
            checkpoint.save(tmp_path / "last.pt", replace(content, step=99))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not list(tmp_path.glob(".last*"))


class Gathered(Fabric):
    """One process that talks to itself."""

    def launch(self) -> None:
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)


@pytest.mark.parametrize(("error", "parted"), [(None, True), (UserError, True), (SystemExit, True), (OSError, False)])
def test_processes_part_at_the_end_and_after_a_mistake(error: type[BaseException] | None, parted: bool) -> None:
    """After anything else they don't: another process may be amid a message."""
    try:
        with contextlib.suppress(UserError, SystemExit, OSError), process_group(Gathered(accelerator="cpu", devices=1)):
            assert torch.distributed.is_initialized()
            if error is not None:
                raise error
        assert torch.distributed.is_initialized() is not parted
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def test_a_batch_that_the_processes_cannot_share(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a batch of 3 does not divide into 2 process\(es\)"):
        fit(config_at(root, batch=3, devices=2), tmp_path)


def test_poly_schedule_with_warm_up() -> None:
    optim = OptimizerConfig(lr=0.1, power=0.9, warmup=10)
    assert learning_rate(optim, 0, 100) == pytest.approx(0.01)
    assert learning_rate(optim, 50, 100) == pytest.approx(0.1 * 0.5**0.9)
    assert learning_rate(optim, 99, 100) == pytest.approx(0.1 * 0.01**0.9)


def test_class_weights_by_hand() -> None:
    """The second class is in the first picture only, so its share is of that picture's labelled pixels."""
    masks = [torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 255]]), torch.zeros(1, 8, dtype=torch.long)]

    class Two(SegmentationDataset):
        def __len__(self) -> int:
            return len(masks)

        def mask(self, index: int) -> torch.Tensor:
            return masks[index]

    labels = [Label(name, (0, 0, 0), i) for i, name in enumerate(("road", "pole", "never"))]
    weights = class_weights(Two([], labels), show_progress=False)
    # shares 14/16 and 2/8; their (lower) median is 1/4; a class that never occurs weighs 1
    torch.testing.assert_close(weights, torch.tensor([0.25 / 0.875, 1.0, 1.0]))


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_channels_last_and_mixed_precision(root: Path, tmp_path: Path, precision: str) -> None:
    fit(config_at(root, precision=precision, channels_last=True, batch=1), tmp_path)
    assert checkpoint.load(tmp_path / "best.safetensors").step == 2


def test_the_run_folder(straight: Path) -> None:
    names = {each.name for each in straight.iterdir()}
    assert {"config.json", "metrics.jsonl", "last.pt", "best.safetensors"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    train = [each for each in lines(straight / "metrics.jsonl") if each["kind"] == "train"]
    assert {"loss", "main", "aux", "lr", "norm", "images_per_second", "memory_gb"} <= train[0].keys()


def test_evaluate_and_predict_from_the_run(straight: Path, root: Path, tmp_path: Path) -> None:
    """What a user types after training, on files, on a broken file, with the numbers kept."""
    best = straight / "best.safetensors"
    done = gald("evaluate", "--checkpoint", best, "--data.root", root, "--split", "test", "--out", tmp_path / "n.json",
                "--tile", 24, 32, "--flip", "--scales", 0.5, 1.0)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Boundary" in done.stdout
    assert (tmp_path / "n.json").is_file()

    shared = gald("evaluate", "--checkpoint", best, "--data.root", root, "--split", "test", "--devices", 2,
                  "--out", tmp_path / "2.json", "--tile", 24, 32, "--flip", "--scales", 0.5, 1.0)  # fmt: skip
    assert shared.returncode == 0, shared.stderr
    one, two = (json.loads((tmp_path / name).read_text())["scores"] for name in ("n.json", "2.json"))
    assert one == pytest.approx(two)  # two processes, three pictures: each is counted once

    photos = tmp_path / "photos"
    shutil.copytree(root / "test" / "images", photos)
    (photos / "broken.jpg").write_bytes((photos / "test_0001TP_006690.jpg").read_bytes()[:300])
    done = gald("predict", photos, tmp_path / "missing.png", "--checkpoint", best, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "3 of 5 pictures done" in done.stdout
    assert "broken.jpg" in done.stderr
    assert "missing.png does not exist" in done.stderr
    assert read_label(tmp_path / "out" / "labels" / "test_0001TP_006690.png").max() < 11
    assert (tmp_path / "out" / "overlays" / "test_0001TP_006690.jpg").is_file()
