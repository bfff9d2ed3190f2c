"""The block in other people's networks: an identity at first, trained afterwards, out again without a trace."""

from __future__ import annotations

import copy
import io
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.export import Dim

import gald
from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.models.plug import Plug
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

# --------------------------------------------------------------------------------------------------------- networks


class Stage(nn.Module):
    """A module that is no container: the block goes behind it by a hook."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return scale * self.norm(self.conv(x))


class Own(nn.Module):
    """What a user may write: a list and a dictionary of modules, a drop-out, one call with a keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList([Stage(), nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())])
        self.heads = nn.ModuleDict({"map": nn.Conv2d(16, 8, 1), "words": nn.Flatten(2), "twice": nn.ReLU()})
        self.heads["again"] = nn.Sequential(nn.Identity(), nn.Conv2d(16, 16, 1))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages[1](self.stages[0](self.stem(x), scale=2.0).relu_())
        self.heads["words"](self.heads["again"](self.heads["twice"](self.heads["twice"](self.heads["again"](x)))))
        return self.heads["map"](self.drop(x))


def fcn() -> nn.Module:
    return torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)


def faster_rcnn() -> nn.Module:
    return torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=96, box_detections_per_img=5
    )


def smp_unet() -> nn.Module:
    smp = pytest.importorskip("segmentation_models_pytorch")
    return smp.Unet("resnet18", encoder_weights=None, decoder_channels=(32, 16, 8, 8, 8))


def segformer() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    settings = transformers.SegformerConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=32
    )
    return transformers.SegformerForSemanticSegmentation(settings)


LIGHT: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "own-in-list": (Own, "stages.0"),
    "own-sequential": (Own, "stages.1"),
    "own-in-sequential": (Own, "stem.1"),
    "own-in-dictionary": (Own, "heads.map"),
    "timm": (lambda: timm.create_model("test_resnet"), "layer4"),
    "timm-block": (lambda: timm.create_model("test_resnet"), "layer4.0"),
    "timm-features": (lambda: timm.create_model("test_resnet", features_only=True), "layer4"),
    "segmenter": (lambda: Segmenter("test_resnet", 3, channels=32), "block"),
    "segmenter-backbone": (lambda: Segmenter("test_resnet", 3, channels=32), "backbone.layer4"),
    "segformer": (segformer, "decode_head.activation"),
}
HEAVY: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "torchvision-segmentation": (fcn, "backbone.layer4"),
    "torchvision-detection": (faster_rcnn, "backbone.body.16"),
    "smp": (smp_unet, "encoder.layer4"),
}
NETWORKS = LIGHT | HEAVY


def built(name: str, training: bool = False) -> tuple[nn.Module, str]:
    build, at = NETWORKS[name]
    torch.manual_seed(0)
    return build().train(training), at


def arguments(net: nn.Module) -> tuple[Any, ...]:
    """Two pictures, and the boxes without which torchvision's detectors don't train."""
    x = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    if not hasattr(net, "roi_heads"):
        return (x,)
    target = {"boxes": torch.tensor([[8.0, 8.0, 60.0, 50.0]]), "labels": torch.tensor([1])}
    return (list(x), [target, target])


def outputs(net: nn.Module, seed: int = 0) -> list[Tensor]:
    torch.manual_seed(seed)
    random.seed(seed)
    return leaves(net(*arguments(net)))


def leaves(output: object) -> list[Tensor]:
    """The tensors in lists, dictionaries and the like."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    return [leaf for each in output for leaf in leaves(each)] if isinstance(output, (list, tuple)) else []


def equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return len(ours) == len(theirs) > 0 and all(map(torch.equal, ours, theirs))


def near(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Equal but for rounding: a hundred-thousandth of the largest number, where an open gate moves far more."""
    return len(ours) == len(theirs) > 0 and all(
        torch.allclose(a, b, rtol=0, atol=1e-5 * b.detach().abs().max().item())
        for a, b in zip(ours, theirs, strict=True)
    )


def the_plug(net: nn.Module) -> Plug:
    [found] = [module for module in net.modules() if isinstance(module, Plug)]
    return found


def opened(net: nn.Module) -> nn.Module:
    """With gates off zero, so that the block is heard."""
    for module in net.modules():
        if isinstance(module, Plug):
            module.gate.data.fill_(0.5)
    return net


def look(net: nn.Module) -> dict[str, Any]:
    """All there is of a network: its objects, keys, modes and hooks, and the bits of its tensors."""
    return {
        "modules": [(name, id(module), module.training) for name, module in net.named_modules()],
        "hooks": [list(module._forward_hooks.values()) for module in net.modules()],
        "keys": list(net.state_dict()),
        "parameters": [(name, id(each), each.requires_grad) for name, each in net.named_parameters()],
        "bits": {name: value.detach().clone().numpy().tobytes() for name, value in net.state_dict().items()},
    }


# ------------------------------------------------------------------------------------------- an identity until trained


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_changes_at_first(name: str):
    """Equal outputs, in evaluation and in training, and equal gradients of what was there before."""
    net, at = built(name)
    before = look(net)
    plugged = copy.deepcopy(net)
    assert gald.plug(plugged, at, example=arguments(net)[:1]) is plugged
    assert look(net) == before
    with torch.no_grad():
        assert equal(outputs(plugged), outputs(net))
    for each in (net, plugged):
        losses = [each.float() for each in outputs(each.train()) if each.requires_grad]
        sum(loss.square().mean() for loss in losses).backward()
    theirs = dict(plugged.named_parameters())
    for key, parameter in net.named_parameters():
        assert (parameter.grad is None) == (theirs[key].grad is None), key
        assert parameter.grad is None or torch.equal(parameter.grad, theirs[key].grad), key
    assert equal(list(net.buffers()), [plugged.get_buffer(key) for key, _ in net.named_buffers()])


@pytest.mark.parametrize("autocast", [True, False], ids=["autocast", "half"])
@pytest.mark.parametrize("ga", AGGREGATORS)
def test_nothing_changes_where_the_block_overflows(ga: str, autocast: bool):
    """Large maps in float16: some products are infinite, and 0 * inf would be NaN."""
    added = Plug(32, ga, "mask", "ga-ld", 2).eval()
    y = 3000 * torch.randn(1, 32, 12, 15).relu().half()
    with torch.no_grad(), torch.autocast("cpu", torch.float16, enabled=autocast):
        assert torch.equal((added if autocast else added.half())(y), y)


def test_a_closed_gate_hides_what_is_not_finite_and_an_open_one_does_not():
    values = nn.Identity()
    values.forward = lambda x: torch.tensor([torch.nan, torch.inf, -torch.inf, 3.0]).expand_as(x)  # type: ignore
    y = torch.randn(1, 2, 1, 4)
    y[0, 0, 0, 3] = torch.inf  # the host's own overflow stays what it was
    added = Plug(2, values, "none", "ga", 1)
    assert torch.equal(added(y), y)
    added.gate.data[1] = 0.5
    z = added(y)
    assert torch.equal(z[0, 0], y[0, 0])
    assert z[0, 1, 0, :3].isfinite().logical_not().all()
    torch.testing.assert_close(z[0, 1, 0, 3], 0.5 * y[0, 1, 0, 3] + 1.5)


@pytest.mark.parametrize("name", NETWORKS)
def test_plugging_and_unplugging_leave_no_trace(name: str):
    net, at = built(name, training=True)
    example = arguments(net)[:1]
    if name == "segformer":
        outputs(net)  # at its first run it gets hooks, which are not ours
    net.get_submodule(at).eval()  # modes are kept one by one
    first, before, state = net.get_submodule(at), look(net), torch.get_rng_state()
    gald.plug(net, at, "none", "average", example=example)  # parts without weights: nothing is drawn
    assert torch.equal(torch.get_rng_state(), state)
    plugged = look(net)
    assert net.get_submodule(at) is first
    assert not the_plug(net).training
    assert [key for key in plugged["keys"] if f"{at}.gald." not in key] == before["keys"]
    assert {key: bits for key, bits in plugged["bits"].items() if key in before["bits"]} == before["bits"]
    assert gald.unplug(net, at) is net
    assert look(net) == before


@pytest.mark.parametrize("name", LIGHT)
def test_the_state_dict(name: str):
    """A released checkpoint fits, only the block's keys are missing; the plugged one makes the round strictly."""
    released, at = built(name)
    net = gald.plug(copy.deepcopy(released), at)
    for parameter in net.parameters():
        parameter.data.zero_()
    missing, unexpected = net.load_state_dict(released.state_dict(), strict=False)
    assert unexpected == []
    new = [key for key in net.state_dict() if key.startswith(f"{at}.gald.")]
    assert set(missing) == {key for key in new if not key.endswith("num_batches_tracked")}  # torch doesn't ask for it
    assert len(missing) > 5
    assert equal(outputs(net), outputs(released))

    file = io.BytesIO()
    torch.save(opened(net).state_dict(), file)
    file.seek(0)
    other = gald.plug(NETWORKS[name][0]().eval(), at)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert equal(outputs(other), outputs(net))
    assert {key for key, _ in net.named_parameters()} <= set(net.state_dict())  # one name for one thing
    # Not to the bit: a state dict's tensors want no gradient, and with those torch folds a product of a batch into one
    # matrix or takes it picture by picture (mm or bmm, as in segformer's head), which some machines round differently
    called = leaves(torch.func.functional_call(net, net.state_dict(), arguments(net)))
    assert near(called, outputs(net))
    assert not near(called, outputs(released))  # the gates, which are open by now, are heard


@pytest.mark.parametrize("name", LIGHT)
def test_copies_are_whole_and_apart(name: str):
    net, at = built(name)
    opened(gald.plug(net, at))
    expected = outputs(net)
    for made in (copy.deepcopy(net), *([pickle.loads(pickle.dumps(net))] if name != "segformer" else [])):
        assert equal(outputs(made), expected)
        the_plug(made).gate.data.zero_()
        assert not equal(outputs(made), expected)  # its own gate is heard
        gald.unplug(made)
        assert equal(outputs(net), expected)


# ------------------------------------------------------------------------------------------------------ what it learns


@pytest.mark.parametrize("order", ["ga-ld", "parallel"])
@pytest.mark.parametrize("at", ["stages.0", "stages.1"])
def test_two_steps_wake_the_whole_block(at: str, order: str):
    torch.manual_seed(0)
    net = gald.plug(Own(), at, "psp", order=order)
    new = gald.plugged_parameters(net)
    optimizer = torch.optim.SGD(new, lr=1.0)
    heard = []
    for _ in range(2):
        optimizer.zero_grad()
        outputs(net)[0].square().mean().backward()
        optimizer.step()
        heard.append([parameter.grad is not None and bool(parameter.grad.any()) for parameter in new])
    assert heard == [[parameter is the_plug(net).gate for parameter in new], [True] * len(new)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("at", ["stages.0", "stages.1"])
def test_at_gate_one_the_block_is_in_its_place(at: str, order: str):
    net, x = Own().eval(), torch.rand(2, 3, 33, 20)
    seen: list[Tensor] = []
    net.get_submodule(at).register_forward_hook(lambda _module, _inputs, y: seen.append(y.clone()))
    net(x)
    gald.plug(net, at, "psp", order=order)
    seen[1:] = []
    the_plug(net).gate.data.fill_(1)
    net(x)  # the user's hook was there first, and still sees what goes on
    y, z = seen
    block = the_plug(net)
    assert (block.mix.weight.shape == (16, 32, 1, 1)) if order == "parallel" else isinstance(block.mix, nn.Identity)
    torch.testing.assert_close(z, block.mix(block.block(y)))
    assert not torch.equal(z, y)


def test_the_parameters_for_a_rate_of_their_own():
    net = Own()
    assert gald.plugged_parameters(net) == []
    before = {id(parameter) for parameter in net.parameters()}
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    gald.plug(gald.plug(net, "stages.0"), "stages.1")
    new = gald.plugged_parameters(net)
    assert {id(parameter) for parameter in new} == {id(parameter) for parameter in net.parameters()} - before
    assert len(new) == len({id(parameter) for parameter in new})
    assert all(parameter.requires_grad for parameter in new)  # a frozen host doesn't freeze the block


def test_blocks_within_blocks():
    net, _ = built("timm")
    expected = outputs(net)
    for at in ("layer4.0.conv1", "layer4.0", "layer4", "layer4.gald.block.ld", "layer4.0.gald.block.ga"):
        gald.plug(net, at)
    assert equal(outputs(net), expected)
    assert not equal(outputs(opened(net)), expected)
    parameters = gald.plugged_parameters(net)
    assert len(parameters) == len({id(parameter) for parameter in parameters})
    gald.unplug(net, "layer4.0")
    assert not equal(outputs(net), expected)
    assert equal(outputs(gald.unplug(net)), expected)
    assert gald.plugged_parameters(net) == []


@pytest.mark.parametrize("at", ["layer4", "layer4.0"])
def test_checkpointing_of_activations_keeps_the_block(at: str):
    """Timm then runs the blocks of a stage one by one, not the stage."""
    net = opened(gald.plug(timm.create_model("test_resnet"), at)).eval()
    net.get_submodule(at).gald.train(False)
    expected = outputs(net)
    net.set_grad_checkpointing()
    assert near(outputs(net), expected)
    assert not near(outputs(gald.unplug(net)), expected)


# ------------------------------------------------------------------------------------------------------ where it runs


@pytest.mark.parametrize("at", ["stages.0", "stages.1"])
@pytest.mark.usefixtures("untyped")
def test_compiles_as_one_graph(at: str):
    net = opened(gald.plug(Own(), at)).eval()
    compiled = torch.compile(copy.deepcopy(net), backend="eager", fullgraph=True, dynamic=True)
    for size in [(64, 96), (33, 70)]:
        x = torch.rand(2, 3, *size)
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize("at", ["stages.0", "stages.1"])
@pytest.mark.usefixtures("untyped")
def test_exports_with_a_free_size(at: str):
    net = opened(gald.plug(Own(), at)).eval()
    free = {2: Dim("height", min=32, max=4096), 3: Dim("width", min=32, max=4096)}
    program = torch.export.export(net, (torch.rand(1, 3, 64, 96),), dynamic_shapes=(free,))
    assert program.state_dict.keys() == net.state_dict().keys()
    x = torch.rand(1, 3, 101, 70)
    torch.testing.assert_close(program.module()(x), net(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_takes_the_width_and_dtype_of_the_map(dtype: torch.dtype):
    net = gald.plug(Own().to(dtype).eval(), "stages.0")
    assert {parameter.dtype for parameter in gald.plugged_parameters(net)} == {dtype}
    assert the_plug(net).gate.shape == (16,)
    assert outputs(net.float())[0].dtype == torch.float32


def test_other_layouts_and_half_precision():
    net = gald.plug(Own().eval(), "stages.1")
    x, y = torch.rand(2, 3, 64, 96), []
    net.stages[1].register_forward_hook(lambda _module, _inputs, output: y.append(output))
    net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert y[-1].is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        ours = net(x)
        assert y[-1].dtype == torch.bfloat16
        assert torch.equal(ours, gald.unplug(net)(x))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    net, x = Own().cuda(), torch.rand(2, 3, 64, 96, device="cuda")
    state = torch.cuda.get_rng_state()
    expected = net.eval()(x)
    gald.plug(net, "stages.0")
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert {parameter.device.type for parameter in net.parameters()} == {"cuda"}
    assert torch.equal(net(x), expected)


@pytest.mark.parametrize(
    "example",
    [
        torch.zeros(1, 3, 40, 48),
        (torch.zeros(1, 3, 40, 48),),
        {"x": torch.zeros(1, 3, 40, 48)},
    ],
    ids=["tensor", "tuple", "dictionary"],
)
def test_forms_of_the_example(example: object):
    assert the_plug(gald.plug(Own(), "stages.0", example=example)).gate.shape == (16,)


def test_a_list_is_one_argument():
    net = faster_rcnn()
    gald.plug(net, "backbone.fpn.inner_blocks.0", "none", example=[torch.zeros(3, 40, 48)])
    assert the_plug(net).gate.shape == (256,)


def test_a_module_of_the_user():
    mine = nn.Conv2d(16, 16, 3, padding=1, bias=False)
    net = gald.plug(Own().double(), "stages.0", mine, "none", reduce=1)
    the_plug(net).gate.data.fill_(1)
    assert the_plug(net).block.ga is mine
    assert outputs(net.float())[0].shape == (2, 8, 16, 24)


# ----------------------------------------------------------------------------------------------------------- mistakes


@contextmanager
def refused(net: nn.Module, sentence: str) -> Iterator[None]:
    """One sentence, and the network as it was."""
    before = look(net)
    with pytest.raises(UserError, match=sentence) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert look(net) == before


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("backbone.stem", "this Own has no submodule 'backbone.stem'; did you mean 'stem'?"),
        ("stages.O", "no submodule 'stages.O'; did you mean .*'stages.0'"),
        ("", "at='' is the network itself; name the submodule"),
        ("stages", "'stages' is never called in the run; name one that is, or one that it holds"),
        ("heads.twice", "'heads.twice' is called 2 times in one pass; name a submodule that is called once"),
        ("heads.again", "'heads.again' is called 2 times in one pass"),
        ("heads.again.1", "'heads.again.1' is called 2 times in one pass"),  # since what holds it is
        ("heads.words", r"'heads.words' gives a tensor of shape \(1, 16, 1280\): tokens, not a map; name a submodule"),
        (4, "at is the name of a submodule, as in model.named_modules\\(\\), got 4"),
    ],
)
@pytest.mark.usefixtures("untyped")  # whose errors would come before ours
def test_wrong_places(at: str, sentence: str):
    net = Own()
    net.drop.eval()
    with refused(net, sentence):
        gald.plug(net, at)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (None, "the network is a torch.nn.Module, got a NoneType"),
        (torchvision.models.resnet18, "resnet18 is no network, but may make one; call it first"),
        (nn.ReLU, "ReLU is no network"),
    ],
)
@pytest.mark.usefixtures("untyped")
def test_what_is_no_network(network: Any, sentence: str):
    for each in (gald.plug, gald.unplug):
        with pytest.raises(UserError, match=sentence):
            each(network, "layer4")


def test_a_network_without_weights():
    net = nn.Sequential(nn.Conv2d(3, 8, 1, device="meta"))
    with pytest.raises(UserError, match="this Sequential is on the meta device; give it weights before you plug in"):
        gald.plug(net, "0")
    assert len(list(net.modules())) == 2


def test_a_sequential_holds_the_block_as_its_last_child():
    net = gald.plug(Own(), "stages.1")
    assert len(net.stages[1]) == 3
    assert net.stages[1][-1] is the_plug(net)


def test_a_module_put_in_the_place_of_the_one_in_front_of_the_block():
    net = nn.SyncBatchNorm.convert_sync_batchnorm(gald.plug(Own(), "stages.0.norm"))
    with pytest.raises(UserError, match="the block at 'stages.0.norm' is never reached, since something has replaced"):
        gald.plugged_parameters(net)
    assert gald.plugged_parameters(gald.unplug(net)) == []
    whole = nn.SyncBatchNorm.convert_sync_batchnorm(gald.plug(Own(), "stages.0"))  # what holds the norm stays
    assert gald.plugged_parameters(whole)


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.usefixtures("untyped")
def test_scripted_parts():
    net = Own()
    net.heads["map"] = torch.jit.trace(net.heads["map"], torch.rand(1, 16, 4, 4))
    net.stages[1] = torch.jit.script(net.stages[1])
    for at in ("stages.1", "stages.1.0", "heads.map"):
        with refused(net, f"'{at}' is scripted or traced, and nothing goes into it any more; plug in before"):
            gald.plug(net, at)
    opened(gald.plug(net, "stages.0")).eval()  # beside them
    x = torch.rand(1, 3, 64, 96)
    torch.testing.assert_close(torch.jit.trace(net, torch.rand(2, 3, 32, 48))(x), net(x))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (lambda y: [y, y, y, y], "gives a list of 4 tensors"),
        (lambda y: (y, None), "gives a tuple of 2 values"),
        (lambda y: {"out": y, "aux": y}, "gives a dict with the keys 'out', 'aux'"),
        (lambda y: None, "gives a NoneType"),
        (lambda y: y.mean((2, 3)), r"gives a tensor of shape \(1, 8\), not a map"),
        (
            lambda y: y.permute(0, 2, 3, 1),
            r"gives a tensor of shape \(1, 16, 20, 8\): a map with its channels last \(B, H, W, C\)",
        ),
        (lambda y: y.round().long(), r"gives a tensor of shape \(1, 8, 16, 20\) of torch.int64, not of real numbers"),
    ],
)
def test_what_is_not_a_map(output: Callable[[Tensor], object], sentence: str):
    class Odd(nn.Conv2d):
        def forward(self, x: Tensor) -> Any:
            return output(super().forward(x))

    net = nn.Sequential(Odd(3, 8, 3, stride=8, padding=1))
    with refused(net, f"'0' {sentence}.*; name a submodule that gives one map"):
        gald.plug(net, "0")


def test_channels_are_told_by_the_proportions_of_the_picture():
    for size in [(128, 160), (64, 64), (50, 201)]:
        for channels in (1, 4, 7, 512):
            net = nn.Sequential(nn.Conv2d(3, channels, 3, stride=8, padding=1))
            gald.plug(net, "0", "none", "average", example=torch.zeros(1, 3, *size))


def test_transformers_say_what_they_give():
    net = timm.create_model("test_vit", img_size=(32, 40), patch_size=8)
    with refused(net, r"'blocks' gives a tensor of shape \(1, 21, 64\): tokens, not a map"):
        gald.plug(net, "blocks", example=torch.zeros(1, 3, 32, 40))
    net = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=(64, 96), window_size=2, embed_dim=12, depths=(1, 1), num_heads=(1, 1)
    )
    with refused(net, r"'layers.1' gives a tensor of shape \(1, 8, 12, 24\): a map with its channels last"):
        gald.plug(net, "layers.1", example=torch.zeros(1, 3, 64, 96))


def test_a_container_that_calls_all_it_holds():
    """DenseNet's block feeds whatever it holds with a list of maps; ASPP's pooling enlarges what its children gave."""
    net = torchvision.models.DenseNet(8, (2, 2), 16)
    with refused(net, r"'features.denseblock2' \(_DenseBlock\) calls whatever it holds in its own way"):
        gald.plug(net, "features.denseblock2")
    expected = outputs(net.eval())
    assert equal(outputs(gald.plug(net, "features.norm5")), expected)  # after it
    aspp = torchvision.models.segmentation.deeplabv3.ASPP(8, [2], 8)
    with refused(aspp, r"'convs.2' \(ASPPPooling\) calls whatever it holds"):
        gald.plug(aspp, "convs.2", example=torch.zeros(1, 8, 16, 20))


def test_a_network_that_fails_on_the_example():
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8, 2))
    said = (
        r"this Sequential fails on a tensor of shape \(1, 3, 128, 160\) \(RuntimeError: .*mat1 and mat2 .*\); pass ex"
    )
    with refused(net, said):
        gald.plug(net, "0")
    with refused(net, r"fails on the example \(TypeError: .*unexpected keyword argument 'pixels'\); pass example="):
        gald.plug(net, "0", example={"pixels": torch.zeros(1, 3, 1, 1)})
    gald.plug(net, "0", example=torch.zeros(1, 3, 1, 1))
    without = nn.Sequential(nn.Flatten())
    with refused(without, "this Sequential has no convolution to tell what it takes; pass example="):
        gald.plug(without, "0")


def test_twice_in_one_place_and_out_of_none():
    net = Own()
    with refused(net, "nothing is plugged into this Own"):
        gald.unplug(net)
    gald.plug(net, "stages.0")
    with refused(net, r"a block is plugged in at 'stages.0' already; gald.unplug\(model, 'stages.0'\) takes it out"):
        gald.plug(net, "stages.0")
    with refused(net, "nothing is plugged in at 'stages.1'; did you mean 'stages.0'?"):
        gald.unplug(net, "stages.1")
    with refused(net, "at='' is the network itself"):
        gald.unplug(net, "")
    with refused(net, "this Own has no submodule 'stages.7'"):
        gald.unplug(net, "stages.7")


def test_a_name_that_is_taken():
    net = Own()
    net.stages[0].gald = nn.Identity()
    with refused(net, "'stages.0' has something of its own by the name 'gald'"):
        gald.plug(net, "stages.0")


class Halves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, ::2]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"ga": "cgnll"}, "unknown global aggregation 'cgnll'; did you mean 'cgnl'"),
        ({"ld": "masks"}, "unknown local distribution 'masks'; did you mean 'mask'"),
        ({"order": "both"}, "unknown order 'both'"),
        ({"reduce": 3}, "power of two"),
        (
            {"ga": Halves(), "ld": "none"},
            r"the block's ga \(Halves\) makes \(1, 8, 16, 20\) of a map of shape \(1, 16, 16, 20\); it must",
        ),
        ({"ga": "none", "ld": Halves(), "order": "parallel"}, r"the block's ld \(Halves\) makes \(1, 8, 32, 40\)"),
        ({"ga": nn.Conv2d}, "the global aggregation is a name or a module, got the class Conv2d"),
        (
            {"ga": nn.Conv2d(8, 8, 1)},
            r"your ga fails on a map of shape \(1, 16, 32, 40\) \(RuntimeError: Given groups=1",
        ),
    ],
)
@pytest.mark.usefixtures("untyped")  # whose errors would come before ours
def test_wrong_parts(parts: dict[str, Any], sentence: str):
    net = Own()
    with refused(net, sentence):
        gald.plug(net, "stages.0", **parts)


def test_what_has_looked_at_the_modules_already():
    net = torch.compile(Own(), backend="eager")
    with refused(net, "is compiled or distributed already; plug in or out before torch.compile"):
        gald.plug(net, "_orig_mod.stages.0")
    net = gald.plug(Own(), "stages.0")
    net.stages.compile(backend="eager")
    with refused(net, "is compiled or distributed already"):
        gald.unplug(net)
