"""Training as users run it: killed and resumed, over several processes, on bad numbers and full disks."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fake import camvid as fake_camvid
from filelock import FileLock
from running import ENVIRONMENT, TINY, gald, interrupt, line, lines

from gald import checkpoint
from gald.config import Data, Loss, Model, Optim, Train
from gald.data import load
from gald.errors import UserError
from gald.pictures import read_label
from gald.tasks import segment
from gald.training import changed, fit, learning_rate

CONFIG = Train(
    model=Model(backbone="test_resnet", channels=8, output_stride=16),
    data=Data(name="camvid", crop=(32, 48), workers=0),
    loss=Loss(min_kept=100),
    optim=Optim(lr=0.05),
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


def config_at(root: Path, **changes: object) -> Train:
    return replace(CONFIG, data=replace(CONFIG.data, root=root), **changes)


def assert_same(first: Path, second: Path) -> None:
    one, other = checkpoint.load(first / "last.pt"), checkpoint.load(second / "last.pt")
    assert one.step == other.step
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_and_resumed_run_ends_bit_for_bit_like_one_that_was_not(
    straight: Path, root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    command = ["train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", out, *TINY]
    stopped = interrupt(line(*command), out / "metrics.jsonl", 3, number)  # 3: in an epoch, past the save at step 2
    if number == signal.SIGINT:
        assert stopped.returncode == 130
        assert "--resume" in stopped.stdout
    else:
        assert stopped.returncode == -signal.SIGKILL
    assert (out / "last.pt").is_file()

    resumed = gald(*command, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert_same(straight, out)
    steps = [each["step"] for each in lines(out / "metrics.jsonl") if each["kind"] == "train"]
    assert steps == [1, 2, 3, 4, 5, 6]  # what the killed run logged past its checkpoint isn't there twice


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
        _, errors = machine.communicate(timeout=300)
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
    assert sum(each["kind"] == "val" for each in lines(second / "metrics.jsonl")) == 1


def test_a_loss_that_is_not_finite_stops_with_step_and_pictures_and_keeps_the_last_checkpoint(
    root: Path, tmp_path: Path
) -> None:
    fit(segment, config_at(root, optim=Optim(lr=1e-3)), tmp_path / "good")
    wild = config_at(root, optim=Optim(lr=1e30), steps=20)
    with pytest.raises(UserError, match=r"not finite at step \d+, batch train_\w+.*last good checkpoint is .*last\.pt"):
        fit(segment, wild, tmp_path / "run")
    kept = checkpoint.load(tmp_path / "run" / "last.pt")
    assert kept.step >= 1


def test_a_run_is_not_written_over_and_nothing_is_not_resumed(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no last\.pt to resume from"):
        fit(segment, config_at(root), tmp_path / "run", resume=True)
    fit(segment, config_at(root), tmp_path / "run")
    with pytest.raises(UserError, match="holds a run already: go on with it by --resume"):
        fit(segment, config_at(root), tmp_path / "run")
    with pytest.raises(UserError, match=r"other settings \(seed was 0, is 7\)"):
        fit(segment, config_at(root, seed=7), tmp_path / "run", resume=True)


def test_two_runs_into_one_folder(root: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="another run is writing into"):
        fit(segment, config_at(root), tmp_path)


def test_a_folder_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="can't write into .*file/run"):
        fit(segment, config_at(root), tmp_path / "file" / "run")


def test_the_previous_checkpoint_survives_a_full_disk(root: Path, tmp_path: Path) -> None:
    fit(segment, config_at(root), tmp_path)
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


def test_a_batch_that_the_processes_cannot_share(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 3 does not divide into 2 processes"):
        fit(segment, config_at(root, batch=3, devices=2), tmp_path)


def test_poly_schedule_with_warm_up() -> None:
    config = replace(CONFIG, steps=100, optim=Optim(lr=0.1, power=0.9, warmup=10))
    assert learning_rate(config, 0) == pytest.approx(0.01)
    assert learning_rate(config, 50) == pytest.approx(0.1 * 0.5**0.9)
    assert learning_rate(config, 99) == pytest.approx(0.1 * 0.01**0.9)


def test_settings_that_compute_nothing_may_change_on_resume() -> None:
    moved = replace(CONFIG, log_every=7, data=replace(CONFIG.data, workers=3, root=Path("elsewhere")))
    assert changed(CONFIG, moved) == []
    assert changed(CONFIG, replace(CONFIG, model=replace(CONFIG.model, ga="psp"))) == ["model.ga was cgnl, is psp"]


def test_class_weights_by_hand(root: Path) -> None:
    """Every class has the same number of pixels in the fake pictures but for rounding: weights are near 1."""
    pairs = load("camvid", root, "train")
    weights = segment.class_weights(pairs, shown=False)
    counts = torch.stack([torch.bincount(pairs[i]["mask"].flatten().long(), minlength=256)[:11] for i in range(3)]).sum(
        0
    )
    share = counts / counts.sum()
    torch.testing.assert_close(weights, share.median() / share)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_channels_last_and_mixed_precision(root: Path, tmp_path: Path, precision: str) -> None:
    fit(segment, config_at(root, precision=precision, channels_last=True, batch=1), tmp_path)
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

    shared = gald("evaluate", "--checkpoint", best, "--data.root", root, "--split", "test", "--out", tmp_path / "2.json",
                  "--tile", 24, 32, "--flip", "--scales", 0.5, 1.0, "--devices", 2, "--accelerator", "cpu")  # fmt: skip
    assert shared.returncode == 0, shared.stderr
    one, two = (json.loads((tmp_path / name).read_text())["scores"] for name in ("n.json", "2.json"))
    assert one == pytest.approx(two)  # two processes, three pictures: each is counted once

    photos = tmp_path / "photos"
    shutil.copytree(root / "test" / "images", photos)
    (photos / "broken.jpg").write_bytes((photos / "test_0001TP_006690.jpg").read_bytes()[:300])
    done = gald("predict", photos, tmp_path / "missing.png", "--checkpoint", best, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "3 of 5 pictures segmented" in done.stdout
    assert "broken.jpg" in done.stderr
    assert "missing.png does not exist" in done.stderr
    assert read_label(tmp_path / "out" / "labels" / "test_0001TP_006690.png").max() < 11
    assert (tmp_path / "out" / "overlays" / "test_0001TP_006690.jpg").is_file()
