"""`gald benchmark` at toy size: counts worked by hand, the form of its table and file. No time is looked at."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gald import cost, memory
from gald.cli import main
from gald.commands import benchmark as command
from gald.cost import PLAIN, Case, build, count
from gald.errors import UserError
from gald.measure import affordable, in_turns, macs, write_csv
from gald.memory import Peak, cuda_peak, peak_in_child, tell_peak

TINY = Case(PLAIN, channels=8, size=(5, 6))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process takes seconds to import."""
    monkeypatch.setattr(cost, "peak_in_child", lambda *_: Peak(2.0))


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


def test_every_aggregation_in_one_table(in_process: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from gald.aggregation import AGGREGATORS

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
    block = build(case)
    for make in cost.KINDS.values():
        make(case, block, case.shape)()
    assert all(each.grad is None for each in block.parameters())


def test_what_needs_too_much_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    scarce = Peak(why=memory.SCARCE.format(7))
    monkeypatch.setattr(cost, "peak_in_child", lambda call, *_: scarce if "psp" in call[-1] else Peak(2.0))
    _, psp, gcnet = run(tmp_path / "two.csv", "--ga", "psp", "gcnet", "--ld", "none")
    assert psp["note"] == "forward needs more memory than the 7 MiB that are free"
    assert (psp["forward_s"], psp["parameters_ratio"] == "") == ("", False)
    assert float(gcnet["forward_s"]) > 0
    assert "psp + none: forward needs more memory" in capsys.readouterr().out
    monkeypatch.setattr(cost, "peak_in_child", lambda *_: scarce)
    with pytest.raises(UserError, match="even a plain 3x3 convolution forward needs more memory .*: choose a smaller"):
        command.measured(TINY, [], None)


def test_a_child_measures_what_is_allocated_and_stops_where_memory_ends(tmp_path: Path):
    code = """
import sys, torch
from gald import memory
if sys.argv[1] == "short": memory.available_mib = lambda: memory.SPARED + 64
memory.tell_peak(lambda: (lambda: torch.ones(int(sys.argv[2]), 2**18)))
"""
    (tmp_path / "child.py").write_text(code)
    command = [sys.executable, str(tmp_path / "child.py")]
    if not Path("/proc/self/status").exists():
        pytest.skip("this system doesn't tell a process's peak")
    found = peak_in_child([*command, "enough", "100"])
    assert found.why == ""
    assert found.mib == pytest.approx(100, abs=8)
    assert peak_in_child([*command, "short", "200"]).why == "needs more memory than the 64 MiB that are free"
    assert peak_in_child([sys.executable, "-c", "raise SystemExit(3)"]).why.endswith("ended with code 3")
    assert peak_in_child([sys.executable, "-c", "import time; time.sleep(9)"], 0.1).why == "takes longer than 0 s"


def test_the_parent_and_its_child_understand_each_other(capsys: pytest.CaptureFixture[str]):
    found = cost.peak("forward_backward", TINY)
    assert found.why == ""
    assert found.mib is None or 0 <= found.mib < 100


def test_another_failure_is_not_taken_for_scarce_memory():
    def broken() -> object:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        tell_peak(lambda: broken())


def test_turns_and_rounds():
    order: list[str] = []
    found = in_turns({name: (lambda name=name: order.append(name)) for name in "ab"}, 3)
    assert order == list("ababab")
    assert all(len(each.seconds) == 3 and each.least <= each.median for each in found.values())
    assert affordable([lambda: None], budget=0.0) == 3
    assert affordable([lambda: None], budget=1e9) == 25


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
        (["--size", "0", "5"], "size, channels, batch and repetitions must be at least 1"),
        (["--repetitions", "0"], "size, channels, batch and repetitions must be at least 1"),
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
    assert cuda_peak(lambda: torch.ones(2**20, device=device), device) == Peak(4.0)
    assert "needs more memory" in cuda_peak(lambda: torch.ones(2**40, device=device), device).why
    main(["benchmark", "--ga", "psp", "--size", "5", "6", "--channels", "8", "--accelerator", "cuda",
          "--precision", "16-mixed", "--out", str(tmp_path / "gpu.csv")])  # fmt: skip
