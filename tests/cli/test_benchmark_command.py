"""`gald benchmark` at toy size: counts worked by hand, the form of its table and file. No time is looked at."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gald.analysis.profiling import block as blocks
from gald.analysis.profiling import comparison
from gald.analysis.profiling.block import KINDS, PLAIN, BlockConfig
from gald.analysis.profiling.memory import Peak, cuda_peak
from gald.cli.main import main
from gald.config.recipes import RECIPES
from gald.engine.tasks import build_task
from gald.support.errors import UserError

TINY = BlockConfig(PLAIN, channels=8, size=(5, 6))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process takes seconds to import."""
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: dict.fromkeys(KINDS, Peak(2.0)))


def run(out: Path, *arguments: str) -> list[dict[str, str]]:
    main(["benchmark", "--size", "5", "6", "--channels", "8", "--repetitions", "1", "--accelerator", "cpu",
          "--out", str(out), *arguments])  # fmt: skip
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_aggregation_in_one_table(in_process: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from gald.block.aggregation import AGGREGATORS

    rows = run(tmp_path / "new" / "all.csv", "--ld", "none")
    assert [row["ga"] for row in rows] == [PLAIN, *AGGREGATORS]
    for row in rows[1:]:
        if row["note"]:  # a width that it can't have
            assert row["forward_s"] == ""
            continue
        assert float(row["forward_s"]) > 0
        assert float(row["forward_backward_s_ratio"]) > 0
        assert row["torch"] == torch.__version__
    said = capsys.readouterr().out
    assert all(name in said for name in AGGREGATORS)
    assert str(tmp_path / "new" / "all.csv") in said


def test_nothing_is_written_that_nobody_asked_for(
    in_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    main(["benchmark", "--ga", "none", "--ld", "none", "--size", "5", "6", "--channels", "8", "--repetitions", "1",
          "--accelerator", "cpu"])  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    before, _, after = capsys.readouterr().out.partition("3x3")
    assert "--out" in before
    assert "--out" in after


def test_flags_of_blocks_are_refused_with_a_network(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", "--network", "shapes", "--channels", "8"])
    assert "--channels is for blocks; leave it out with --network" in capsys.readouterr().err


def test_ratios_are_to_the_plain_convolution(in_process: None, tmp_path: Path):
    plain, none, mask = run(tmp_path / "one.csv", "--ga", "none", "--ld", "none", "mask")
    assert (plain["parameters"], plain["parameters_ratio"], plain["forward_peak_mib_ratio"]) == ("592", "1", "1")
    assert (none["parameters"], none["gmacs"], none["gmacs_ratio"]) == ("0", "0", "0")
    assert float(mask["parameters_ratio"]) == pytest.approx(3 * (8 * 9 + 16) / 592, rel=1e-5)
    assert float(mask["forward_s_ratio"]) == pytest.approx(
        float(mask["forward_s"]) / float(mask["plain_forward_s"]), rel=1e-4
    )


def test_what_needs_too_much_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    scarce, enough = Peak(why="needs more memory than the 7 MiB that are free"), Peak(2.0)
    monkeypatch.setattr(
        blocks, "peaks_in_child", lambda call, names: dict.fromkeys(names, scarce if "psp" in call[-1] else enough)
    )
    _, psp, gcnet = run(tmp_path / "two.csv", "--ga", "psp", "gcnet", "--ld", "none")
    assert psp["note"] == "forward needs more memory than the 7 MiB that are free"
    assert (psp["forward_s"], psp["parameters_ratio"] == "") == ("", False)
    assert float(gcnet["forward_s"]) > 0
    assert "psp + none: forward needs more memory" in capsys.readouterr().out
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: dict.fromkeys(KINDS, scarce))
    with pytest.raises(UserError, match="even a plain 3x3 convolution forward needs more memory .*: choose a smaller"):
        comparison.compare_blocks(TINY, ["psp"], ["none"], None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ga", "spp"], "unknown global aggregation 'spp'; did you mean 'aspp' or 'psp'"),
        (["--ld", "musk"], "unknown local distribution 'musk'; did you mean 'mask'"),
        (["--order", "ldga"], "unknown order 'ldga'"),
        (["--size", "0", "5"], "--size is 0 5; it must be at least 1"),
        (["--repetitions", "0"], "--repetitions is 0; it must be at least 1"),
        (["--channels", "-3"], "--channels is -3; it must be at least 1"),
        (["--batch", "0"], "--batch is 0; it must be at least 1"),
        (["--ld"], "--ld names no local distribution"),
        (["--channels", "2000000"], "a 3x3 convolution of 2000000 channels takes 134110.5 GiB"),
        (["--size", "1000000000", "10000000000"], "choose a smaller --size, --channels or --batch"),
        (["--reduce", "3"], "reduce is a power of two"),
        (["--accelerator", "cpu", "--precision", "16-mixed"], "16-mixed needs a GPU"),
    ],
)
def test_one_sentence(in_process: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments, words: str):
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "--out", str(tmp_path / "x.csv"), "--accelerator", "cpu", *arguments])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--ga", "nix"], "'nix'"), (["--batch", "0"], "--batch is 0"), (["--network", "nix"], "unknown recipe 'nix'")],
)
def test_a_wrong_out_hides_no_other_mistake(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: str
):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", "--out", str(tmp_path / "file" / "x.csv"), "--accelerator", "cpu", *arguments])
    assert words in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_tells_what_it_allocates(tmp_path: Path):
    device = torch.device("cuda:0")
    assert cuda_peak(lambda: lambda: torch.ones(2**20, device=device), device) == Peak(4.0)
    assert "needs more memory" in cuda_peak(lambda: lambda: torch.ones(2**40, device=device), device).why
    main(["benchmark", "--ga", "psp", "--size", "5", "6", "--channels", "8", "--accelerator", "cuda",
          "--precision", "16-mixed", "--out", str(tmp_path / "gpu.csv")])  # fmt: skip


@pytest.mark.parametrize(("recipe", "names"), [
    ("shapes", ["no block", "nonlocal alone", "nonlocal + mask"]),
    ("cityscapes_r50_fcn", ["no block"]),
])  # fmt: skip
def test_whole_networks(recipe: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RECIPES[recipe]()
    small = replace(settings, model=replace(settings.model, backbone="test_resnet"))
    monkeypatch.setitem(RECIPES, recipe, lambda: small)
    out = tmp_path / "networks.csv"
    main(["benchmark", "--network", recipe, "--size", "32", "48", "--repetitions", "1", "--accelerator", "cpu",
          "--out", str(out)])  # fmt: skip
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["network"] for row in rows] == names
    whole = build_task(small).build_model(20, initial_weights=False)
    assert int(rows[-1]["parameters"]) == sum(each.numel() for each in whole.parameters())
    assert float(rows[0]["parameters_ratio"]) == float(rows[0]["forward_s_ratio"]) == 1
    assert {row["size"] for row in rows} == {"32x48"}


def test_a_network_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for network, sentence in (("shape", "did you mean 'shapes'"), ("gone.pt", "no checkpoint at gone.pt")):
        with pytest.raises(SystemExit, match="2"):
            main(["benchmark", "--network", network, "--out", str(tmp_path / "x.csv"), "--accelerator", "cpu"])
        assert sentence in capsys.readouterr().err
