"""Folding batch norms: the same outputs, fewer layers, and no pair that only looks like one."""

from __future__ import annotations

import pytest
import timm
import torch
from golden.fill import filled
from torch import Tensor, nn

from gald.models.folding import fold_batch_norm
from gald.models.official import gald_r50
from gald.models.official.gald_head import GALDHead
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError


def prepared(network: nn.Module) -> nn.Module:
    """Every norm with statistics of its own, as after training: those at construction fold to nothing."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def norms_of(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def leaves(output) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return [leaf for each in (output.values() if isinstance(output, dict) else output) for leaf in leaves(each)]


def assert_equal_outputs(folded: nn.Module, network: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        pairs = list(zip(leaves(folded(images)), leaves(network(images)), strict=True))
    for actual, expected in pairs:
        assert (actual - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


NETWORKS = {
    "gald head": lambda: (GALDHead(32, 512, 5), torch.randn(1, 32, 16, 17)),
    "batch norm with activation": lambda: (timm.create_model("efficientnet_lite0"), torch.randn(1, 3, 64, 64)),
    "same padding": lambda: (timm.create_model("tf_efficientnet_lite0"), torch.randn(1, 3, 65, 64)),
    "resnet": lambda: (timm.create_model("test_resnet"), torch.randn(2, 3, 64, 64)),
    "features": lambda: (timm.create_model("test_resnet", features_only=True), torch.randn(1, 3, 64, 64)),
    "no bias, no weight": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)),
        torch.randn(1, 3, 5, 5),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_equal_and_no_norm_is_left(name):
    torch.manual_seed(1)
    network, images = NETWORKS[name]()
    network = prepared(network)
    folded = fold_batch_norm(network, images)
    assert norms_of(folded) == []
    assert_equal_outputs(folded, network, images)


def test_the_released_network_whose_norms_stand_apart_from_their_convolutions():
    network = gald_r50(19).eval()
    network.load_state_dict(filled(network.state_dict()))
    folded = fold_batch_norm(network, torch.randn(1, 3, 111, 111))
    assert norms_of(folded) == ["dsn.1"]  # the auxiliary head doesn't run in evaluation
    assert_equal_outputs(folded, network, torch.randn(1, 3, 111, 129))


def test_the_network_itself_is_not_touched():
    network = prepared(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norm(network, torch.randn(1, 3, 5, 5))
    assert norms_of(network) == ["1"]
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    assert not network[0]._forward_hooks
    assert not network[1]._forward_pre_hooks


class NormFirst(nn.Module):
    """Looks like a pair by name and by order, but the norm runs first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.conv1(self.bn1(x))


class WrittenInto(NormFirst):
    """A ReLU in place hands the norm the very tensor that the convolution made, with other values."""

    def forward(self, x):
        return self.bn1(self.conv1(x).relu_())


class Twice(NormFirst):
    """One convolution with one norm, run on two maps, of which only one is normed."""

    def forward(self, x):
        return self.bn1(self.conv1(x)) + self.conv1(x)


class Frozen(NormFirst):
    """A norm without running statistics depends on its batch even in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, x):
        return self.bn1(self.conv1(x))


@pytest.mark.parametrize("network", [NormFirst, WrittenInto, Twice, Frozen])
def test_what_is_no_pair_stays(network):
    network, images = prepared(network()), torch.randn(2, 3, 6, 6)
    folded = fold_batch_norm(network, images)
    assert norms_of(folded) == ["bn1"]
    assert_equal_outputs(folded, network, images)


def test_a_result_that_is_read_elsewhere_too_is_refused():
    class Beside(NormFirst):
        def forward(self, x):
            x = self.conv1(x)
            return self.bn1(x) + x

    with pytest.raises(UserError, match="read by more"):
        fold_batch_norm(prepared(Beside()), torch.randn(1, 3, 6, 6))


def test_training_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(UserError, match=r"eval\(\)"):
        fold_batch_norm(network, torch.randn(1, 3, 5, 5))


def test_a_segmenter_of_ours():
    network = prepared(Segmenter("test_resnet", 5))
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    folded = fold_batch_norm(network, images)
    assert_equal_outputs(folded, network, images)
