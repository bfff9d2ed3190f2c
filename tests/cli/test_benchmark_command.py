"""`gald benchmark` at toy size: counts worked by hand, the form of its table and file. No time is looked at."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gald.analysis.profiling import block as blocks
from gald.analysis.profiling import child, comparison, memory
from gald.analysis.profiling.block import KINDS, PLAIN, Case, Inputs, build, count
from gald.analysis.profiling.count import macs
from gald.analysis.profiling.memory import Peak, ScarceError, cuda_peak, peaks_in_child, tell_peaks
from gald.analysis.profiling.table import facts, write_csv
from gald.analysis.profiling.times import Times, affordable, in_turns, rounds
from gald.cli import benchmark as command
from gald.cli.main import main
from gald.config.recipes import RECIPES
from gald.engine.tasks import build_task
from gald.support.errors import UserError

TINY = Case(PLAIN, channels=8, size=(5, 6))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process takes seconds to import."""
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: dict.fromkeys(KINDS, Peak(2.0)))


def run(out: Path, *arguments: str) -> list[dict[str, str]]:
    main(["benchmark", "--size", "5", "6", "--channels", "8", "--repetitions", "1", "--accelerator", "cpu",
          "--out", str(out), *arguments])  # fmt: skip
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_plain_convolution_is_counted_exactly():
    assert count(TINY) == (8 * 8 * 9 + 2 * 8, 8 * 8 * 9 * 30)
    assert count(Case(PLAIN, channels=512)) == (512 * 512 * 9 + 1024, 512 * 512 * 9 * 97 * 97)


def test_attention_counts_as_its_two_products():
    class Attention(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).transpose(1, 2).contiguous()[:, None]
            return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    assert macs(Attention(), (2, 8, 5, 6)) == 2 * 2 * 30 * 30 * 8


def test_counting_leaves_the_module_and_needs_no_memory():
    module = nn.Conv2d(3, 4, 1, bias=False).train()
    assert macs(module, (1, 3, 10**6, 10**6)) == 12 * 10**12
    assert module.training
    assert module.weight.device.type == "cpu"
    assert count(Case(PLAIN, channels=200_000)) == (9 * 200_000**2 + 400_000, 9 * 200_000**2 * 97 * 97)


@pytest.mark.parametrize("name", ["nonlocal", "ccnet", "encnet"])
def test_without_content_the_count_is_the_same(name: str):
    case = Case(name, "mask", channels=32, size=(9, 11))
    real = build(case)
    assert count(case) == (sum(each.numel() for each in real.parameters()), macs(real, case.shape))


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


def test_ratios_are_to_the_plain_convolution(in_process: None, tmp_path: Path):
    plain, none, mask = run(tmp_path / "one.csv", "--ga", "none", "--ld", "none", "mask")
    assert (plain["parameters"], plain["parameters_ratio"], plain["forward_peak_mib_ratio"]) == ("592", "1", "1")
    assert (none["parameters"], none["gmacs"], none["gmacs_ratio"]) == ("0", "0", "0")
    assert float(mask["parameters_ratio"]) == pytest.approx(3 * (8 * 9 + 16) / 592, rel=1e-5)
    assert float(mask["forward_s_ratio"]) == pytest.approx(
        float(mask["forward_s"]) / float(mask["plain_forward_s"]), rel=1e-4
    )


@pytest.mark.parametrize(("order", "pairs"), [("ld", ["none mask"]), ("ga", ["psp none"])])
def test_what_an_order_does_not_use_is_measured_once(order: str, pairs: list[str]):
    plain = Case(PLAIN, order=order)
    lds = ["mask"] if order == "ld" else ["none", "mask"]
    groups = command._groups(plain, ["psp"], lds)
    assert [f"{case.ga} {case.ld}" for group in groups for case in group] == pairs


@pytest.mark.parametrize("order", ["ga-ld", "parallel"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_kinds_of_work_run(order: str, precision: str):
    case = Case("gcnet", "mask", order, channels=8, size=(5, 6), precision=precision)
    block, inputs = build(case), Inputs(case)
    for make in KINDS.values():
        make(case, block, inputs)()
    assert all(each.grad is None for each in block.parameters())


class Probe(nn.Module):
    """A convolution that remembers what it was called with and what it computed in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.seen: list[tuple[bool, bool, torch.dtype, torch.Tensor]] = []
        self.backwards = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        self.seen.append((self.training, torch.is_grad_enabled(), y.dtype, x))
        if y.requires_grad:
            y.register_hook(lambda gradient: setattr(self, "backwards", self.backwards + 1))
        return y


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_each_kind_does_what_its_name_says_in_the_precision(precision: str, dtype: torch.dtype):
    case, probe = Case(PLAIN, channels=8, size=(5, 6), precision=precision), Probe()
    inputs = Inputs(case)
    for kind, (grads, backwards) in {"forward": (False, 0), "forward_backward": (True, 1)}.items():
        KINDS[kind](case, probe, inputs)()
        training, enabled, computed, x = probe.seen[-1]
        assert (training, enabled, computed) == (grads, grads, dtype)
        assert x is inputs.x  # one input for all
        assert probe.backwards == backwards


def test_one_gradient_for_all_of_a_width():
    inputs = Inputs(TINY)
    assert inputs.gradient(8) is inputs.gradient(8)
    assert inputs.gradient(16).shape == (1, 16, 5, 6)


def test_rows_get_their_own_times(in_process: None, monkeypatch: pytest.MonkeyPatch):
    told = {
        (PLAIN, "none"): 2.0,
        ("psp", "none"): 3.0,
        ("psp", "mask"): 5.0,
        ("none", "mask"): 7.0,
        ("none", "none"): 1.0,
    }

    def seconds(kind: str, cases: list[Case], *_: object) -> list[Times]:
        factor = 1.0 if kind == "forward" else 10.0
        return [Times((factor * told[case.ga, case.ld],)) for case in cases]

    monkeypatch.setattr(comparison, "seconds", seconds)
    groups = command._groups(TINY, ["psp", "none"], ["none", "mask"])
    rows = comparison.compared(TINY, groups, None)
    for row in rows:
        own = told[str(row["ga"]), str(row["ld"])]
        assert (row["forward_s"], row["forward_backward_s"]) == (own, 10 * own)
        assert (row["forward_s_ratio"], row["forward_backward_s_ratio"]) == (own / 2, own / 2)


def test_rows_get_their_own_peaks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: {"forward": Peak(2.0), "forward_backward": Peak(5.0)})
    row = comparison.row_of(TINY)
    assert (row["forward_peak_mib"], row["forward_backward_peak_mib"]) == (2.0, 5.0)


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
        comparison.compared(TINY, [], None)


def test_what_is_too_much_in_turns_is_told(in_process: None, monkeypatch: pytest.MonkeyPatch):
    def seconds(kind: str, *_: object) -> list[Times]:
        if kind == "forward":
            return [Times((1.0,))] * 2
        raise ScarceError("needs more memory than the 7 MiB that are free")

    monkeypatch.setattr(comparison, "seconds", seconds)
    _, row = comparison.compared(TINY, command._groups(TINY, ["none"], ["none"]), None)
    assert row["note"] == "forward + backward isn't timed: in turns it needs more memory than the 7 MiB that are free"
    assert (row["forward_s"], row.get("forward_backward_s")) == (1.0, None)


def test_scarcity_in_turns_is_caught_and_the_limit_taken_back(monkeypatch: pytest.MonkeyPatch):
    if not Path("/proc/self/status").exists():
        pytest.skip("this system doesn't tell what a process holds")
    monkeypatch.setattr(memory, "available_mib", lambda: memory.SPARED + 64)
    with pytest.raises(ScarceError, match="needs more memory than the 64 MiB that are free"):
        blocks.seconds("forward", [Case(PLAIN, channels=8, size=(3000, 3000))], 0.0, 1)
    assert torch.ones(200, 2**18).numel() == 200 * 2**18


def test_a_child_measures_what_is_allocated_and_stops_where_memory_ends(tmp_path: Path):
    code = """
import sys, time
import torch
from gald.analysis.profiling import memory
if sys.argv[1] == "short": memory.available_mib = lambda: memory.SPARED + 64
one, other = (lambda: (lambda: torch.ones(int(sys.argv[2]), 2**18))), (lambda: (lambda: torch.ones(20, 2**18)))
memory.tell_peaks({"one": one, "other": other})
if sys.argv[1] == "stuck": time.sleep(99)
"""
    (tmp_path / "child.py").write_text(code)
    command = [sys.executable, str(tmp_path / "child.py")]
    if not Path("/proc/self/status").exists():
        pytest.skip("this system doesn't tell a process's peak")
    found = peaks_in_child([*command, "enough", "100"], ["one", "other"])
    assert found["one"].mib == pytest.approx(100, abs=8)
    assert found["other"].mib == pytest.approx(20, abs=8)
    scarce = Peak(why="needs more memory than the 64 MiB that are free")
    assert peaks_in_child([*command, "short", "200"], ["one", "other"]) == {"one": scarce, "other": scarce}
    ended = peaks_in_child([sys.executable, "-c", "raise SystemExit(3)"], ["one"])
    assert ended["one"].why.endswith("ended with code 3")


def test_what_was_told_before_the_time_was_over_is_kept():
    code = 'import time; print(\'{"one": {"mib": 2.0}}\', flush=True); time.sleep(99)'
    # without its site packages a process has told that in milliseconds, and on a loaded machine within the limit
    found = peaks_in_child([sys.executable, "-S", "-c", code], ["one", "other"], 5.0)
    assert found == {"one": Peak(2.0), "other": Peak(why="takes longer than 5 s")}


def test_the_parent_and_its_child_understand_each_other():
    found = blocks.peaks(TINY)
    assert list(found) == list(KINDS)
    for each in found.values():
        assert each.why == ""
        assert each.mib is None or 0 <= each.mib < 4  # not what the first call of a kernel needs


def test_the_child_measures_each_kind_under_its_name(monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []
    monkeypatch.setattr(child, "work_of", lambda kind, case: made.append(f"{kind} {case.size}"))
    monkeypatch.setattr(child, "tell_peaks", lambda prepares: [each() for each in prepares.values()])
    told = {"threads": torch.get_num_threads(), "case": asdict(TINY)}
    child.main(json.dumps(told))
    assert made == ["forward (5, 6)", "forward_backward (5, 6)"]


def test_another_failure_is_not_taken_for_scarce_memory():
    def broken() -> object:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        tell_peaks({"broken": broken})  # type: ignore[dict-item]


def test_turns_and_rounds():
    order: list[str] = []
    found = in_turns({name: (lambda name=name: order.append(name)) for name in "ab"}, 3)
    assert order == list("ababab")
    assert all(len(each.seconds) == 3 and each.least <= each.median for each in found.values())
    assert affordable([lambda: None], budget=0.0) == 3
    assert affordable([lambda: None], budget=1e9) == 25
    assert rounds(2.0, 9.0) == 4


def test_facts_tell_what_a_gpu_does_to_float32(monkeypatch: pytest.MonkeyPatch):
    about = facts(torch.device("cpu"))
    assert about["float32_matmul_precision"] == torch.get_float32_matmul_precision()
    assert about["cudnn_allow_tf32"] == str(torch.backends.cudnn.allow_tf32)
    on_gpu = Case(PLAIN, device="cuda:0")
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "highest")
    assert "convolutions run in TF32, matrix products in float32" in command._about_tf32(on_gpu)[0]
    assert command._about_tf32(replace(on_gpu, precision="bf16-mixed")) == []
    assert command._about_tf32(replace(on_gpu, device="cpu")) == []


def test_a_table_is_written_whole(tmp_path: Path):
    write_csv(tmp_path / "a.csv", ["name", "value", "none"], [{"name": "x, y", "value": 1 / 3}])
    assert (tmp_path / "a.csv").read_text() == 'name,value,none\n"x, y",0.333333,\n'
    with pytest.raises(UserError, match="it is a folder|cannot write"):
        write_csv(tmp_path, ["name"], [])


def test_the_files_name_says_what_it_was_measured_on():
    about = {
        "device": "NVIDIA H200",
        "threads": 2,
        "torch": "2.15.0+cu132",
        "gald": "0.1.0",
        "date": "2026-11-21 16:46 UTC",
    }
    assert command._name(about) == "benchmark-nvidia-h200-2threads-torch2.15.0-cu132-gald0.1.0-20261121-1646.csv"


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
