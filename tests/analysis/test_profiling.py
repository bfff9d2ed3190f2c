"""What blocks cost, at toy size: counts worked by hand, memory, turns. No time is looked at."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from gald.analysis.profiling import block as blocks
from gald.analysis.profiling import comparison, memory
from gald.analysis.profiling.block import KINDS, PLAIN, BlockConfig, Inputs, build, count
from gald.analysis.profiling.csv_table import facts, tf32_note, write_csv
from gald.analysis.profiling.flops import macs
from gald.analysis.profiling.memory import Peak, ScarceError, peaks_in_child, tell_peaks
from gald.analysis.profiling.timing import Times, affordable, in_turns, rounds
from gald.support.errors import UserError

TINY = BlockConfig(PLAIN, channels=8, size=(5, 6))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process takes seconds to import."""
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: dict.fromkeys(KINDS, Peak(2.0)))


def test_a_plain_convolution_is_counted_exactly():
    assert count(TINY) == (8 * 8 * 9 + 2 * 8, 8 * 8 * 9 * 30)
    assert count(BlockConfig(PLAIN, channels=512)) == (512 * 512 * 9 + 1024, 512 * 512 * 9 * 97 * 97)


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
    assert count(BlockConfig(PLAIN, channels=200_000)) == (9 * 200_000**2 + 400_000, 9 * 200_000**2 * 97 * 97)


@pytest.mark.parametrize("name", ["nonlocal", "ccnet", "encnet"])
def test_without_content_the_count_is_the_same(name: str):
    config = BlockConfig(name, "mask", channels=32, size=(9, 11))
    real = build(config)
    assert count(config) == (sum(each.numel() for each in real.parameters()), macs(real, config.shape))


@pytest.mark.parametrize(("order", "pairs"), [("ld", ["none mask"]), ("ga", ["psp none"])])
def test_what_an_order_does_not_use_is_measured_once(order: str, pairs: list[str]):
    plain = BlockConfig(PLAIN, order=order)
    lds = ["mask"] if order == "ld" else ["none", "mask"]
    groups = comparison.block_groups(plain, ["psp"], lds)
    assert [f"{config.ga} {config.ld}" for group in groups for config in group] == pairs


@pytest.mark.parametrize("order", ["ga-ld", "parallel"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_kinds_of_work_run(order: str, precision: str):
    config = BlockConfig("gcnet", "mask", order, channels=8, size=(5, 6), precision=precision)
    block, inputs = build(config), Inputs(config)
    for make in KINDS.values():
        make(config, block, inputs)()
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
    config, probe = BlockConfig(PLAIN, channels=8, size=(5, 6), precision=precision), Probe()
    inputs = Inputs(config)
    for kind, (grads, backwards) in {"forward": (False, 0), "forward_backward": (True, 1)}.items():
        KINDS[kind](config, probe, inputs)()
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

    def seconds(kind: str, configs: list[BlockConfig], *_: object) -> list[Times]:
        factor = 1.0 if kind == "forward" else 10.0
        return [Times((factor * told[config.ga, config.ld],)) for config in configs]

    monkeypatch.setattr(comparison, "seconds", seconds)
    rows = comparison.compare_blocks(TINY, ["psp", "none"], ["none", "mask"], None)
    for row in rows:
        own = told[str(row["ga"]), str(row["ld"])]
        assert (row["forward_s"], row["forward_backward_s"]) == (own, 10 * own)
        assert (row["forward_s_ratio"], row["forward_backward_s_ratio"]) == (own / 2, own / 2)


def test_rows_get_their_own_peaks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "peaks_in_child", lambda *_: {"forward": Peak(2.0), "forward_backward": Peak(5.0)})
    row = comparison._row(TINY)
    assert (row["forward_peak_mib"], row["forward_backward_peak_mib"]) == (2.0, 5.0)


def test_what_is_too_much_in_turns_is_told(in_process: None, monkeypatch: pytest.MonkeyPatch):
    def seconds(kind: str, *_: object) -> list[Times]:
        if kind == "forward":
            return [Times((1.0,))] * 2
        raise ScarceError("needs more memory than the 7 MiB that are free")

    monkeypatch.setattr(comparison, "seconds", seconds)
    _, row = comparison.compare_blocks(TINY, ["none"], ["none"], None)
    assert row["note"] == "forward + backward isn't timed: in turns it needs more memory than the 7 MiB that are free"
    assert (row["forward_s"], row.get("forward_backward_s")) == (1.0, None)


def test_scarcity_in_turns_is_caught_and_the_limit_taken_back(monkeypatch: pytest.MonkeyPatch):
    if not Path("/proc/self/status").exists():
        pytest.skip("this system doesn't tell what a process holds")
    monkeypatch.setattr(memory, "available_mib", lambda: memory.SPARED + 64)
    with pytest.raises(ScarceError, match="needs more memory than the 64 MiB that are free"):
        blocks.seconds("forward", [BlockConfig(PLAIN, channels=8, size=(3000, 3000))], 0.0, 1)
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
    monkeypatch.setattr(blocks, "work_of", lambda kind, config: made.append(f"{kind} {config.size}"))
    monkeypatch.setattr(blocks, "tell_peaks", lambda prepares: [each() for each in prepares.values()])
    told = {"threads": torch.get_num_threads(), "config": asdict(TINY)}
    blocks.tell_asked(json.dumps(told))
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
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "highest")
    assert "convolutions run in TF32, matrix products in float32" in tf32_note(torch.device("cuda:0"), "32-true")[0]
    assert tf32_note(torch.device("cuda:0"), "bf16-mixed") == []
    assert tf32_note(torch.device("cpu"), "32-true") == []


def test_a_table_is_written_whole(tmp_path: Path):
    write_csv(tmp_path / "a.csv", ["name", "value", "none"], [{"name": "x, y", "value": 1 / 3}])
    assert (tmp_path / "a.csv").read_text() == 'name,value,none\n"x, y",0.333333,\n'
    with pytest.raises(UserError, match="it is a folder|cannot write"):
        write_csv(tmp_path, ["name"], [])
