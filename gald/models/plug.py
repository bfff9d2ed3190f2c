"""The GALD block in any network: behind a submodule that gives a map, an identity until it is trained.

The block (Li et al., BMVC 2019, arXiv 1909.07229) sits behind a gate per channel, ``y + gate * (GALD(y) - y)``, which
starts at zero, as ReZero (Bachlechner et al., arXiv 2003.04887) and LayerScale (Touvron et al., arXiv 2103.17239) let a
new branch grow out of a trained network. The gate is ours, not the GALD paper's: there the block is trained from the
start.

The block is a child named ``gald`` of the submodule that it follows, which stays the object that it was. So parameters
and state dict agree on AT.gald.*, no other key moves, and a released checkpoint fits as before. A plain
``nn.Sequential`` runs its children, hence the block; any other module gets a forward hook, a function without state
that finds the block through the module, so that copies, pickles and exports take it along.
"""

from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.gald import GALD
from gald.models.probe import default_example, evaluating, first_line, one_map, outputs_of
from gald.support.errors import UserError, nearest

Network = TypeVar("Network", bound=nn.Module)
NAME = "gald"


class Plug(nn.Module):
    """``y + gate * (z - y)`` with ``z = GALD(y)`` and one gate per channel: at 0 it is y, at 1 it is z.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1, the dtype of y; summed in float32 or wider. In "parallel" order
    the block gives 2 C channels, and a 1x1 convolution brings them back to C. Arguments as for `gald.GALD`.
    """

    def __init__(self, channels: int, ga: str | nn.Module, ld: str | nn.Module, order: str, reduce: int) -> None:
        super().__init__()
        self.block = GALD(channels, ga, ld, order, reduce)
        width = self.block.out_channels
        self.mix = nn.Identity() if width == channels else nn.Conv2d(width, channels, 1, bias=False)
        self.gate = nn.Parameter(torch.zeros(channels))  # one dimension: optimizers that spare these from decay do so

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(y.dtype, torch.float32)
        gate, z = self.gate.to(wide)[:, None, None], self.distributed(y).to(wide)
        # 0 * inf is NaN: what overflows in half precision must not come through a closed gate. An open one lets it
        # through, so that a block that has gone wrong is seen
        z = torch.where((gate == 0) & ~z.isfinite(), 0, z)
        # Not y + gate * (z - y), which makes NaN of an infinite y at gate 0
        return ((1 - gate) * y + gate * z).to(y.dtype)

    def distributed(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """z, what the block makes of y."""
        z: Tensor = self.mix(self.block(y))
        return z


def plug(
    model: Network,
    at: str = "backbone.layer4",
    ga: str | nn.Module = "psp",
    ld: str | nn.Module = "mask",
    order: str = "ga-ld",
    reduce: int = 2,
    *,
    example: object = None,
) -> Network:
    """Put a GALD block behind the submodule ``at``, in place, and return the model.

    The submodule must give one map (B, C, H, W) and be called once in a pass. Its width, dtype and device are found by
    running the model twice on ``example``, in evaluation and without gradients: before the block is there and after.
    Statistics, modes and the random state of the run are as before; drawing the block's weights takes random numbers,
    as any layer does. After a mistake the model is as it was.

    Until it is trained the block changes nothing, in training mode too: what comes out is equal (``torch.equal``). In
    the first step only the gates get a gradient other than zero, from the second on the whole block does: "no gradient"
    in the first step is no defect. An Adam step moves each gate by about the learning rate, so the block may have its
    own, see `plugged_parameters`.

    The block's norms train with the submodule's mode. To train the block alone:

        for p in model.parameters(): p.requires_grad_(False)
        for p in gald.plugged_parameters(model): p.requires_grad_(True)

    Plug in before ``torch.compile``, ``torch.jit.trace`` and ``DistributedDataParallel``, and after what replaces
    modules (``convert_sync_batchnorm``, quantization): a new module in the place of ``at`` has no block behind it.
    ``torch.jit.script`` fails on a plugged network. A plain ``nn.Sequential`` gets the block as its last child:
    ``len(host)`` grows by one, and ``host[-1]`` is the block.

    Args:
        model: any network.
        at: the submodule's name, as in ``model.named_modules()``.
        ga: a name in `gald.block.aggregation.AGGREGATORS`, or a module of your own that keeps the shape.
        ld: a name in `gald.block.distribution.DISTRIBUTORS`, or a module of your own that keeps the shape.
        order: as in `gald.GALD`; what "parallel" doubles, a 1x1 convolution halves again.
        reduce: GA works on the map shrunk by this power of two.
        example: what the model takes, on its device: a tuple of arguments, a dictionary of keyword arguments, or
            anything else as the one argument. By default zeros (1, channels of the first convolution, 128, 160).

    Raises:
        UserError: no such submodule, one that gives no map, is not called or more than once, is scripted, or has a
            block already; a model that is none, fails on the example, is compiled or has no weights (on the meta
            device); parts that don't keep the shape or are unknown.

    >>> import gald, torch, torchvision
    >>> gald.plug(torchvision.models.resnet18(), at="layer4")(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 1000])
    """
    _refuse_wrapped(model)
    host = _host(model, at)
    example = default_example(model) if example is None else example
    y = _map_behind(host, at, model, example)
    added = Plug(y.shape[1], ga, ld, order, reduce).to(device=y.device, dtype=y.dtype).train(host.training)
    _try(added, y, [part for part, own in (("ga", ga), ("ld", ld)) if isinstance(own, nn.Module)])
    _insert(host, added)
    _take_back_unless_it_runs(host, added, at, model, example)
    return model


def unplug(model: Network, at: str | None = None) -> Network:
    """Take the block behind the submodule ``at`` out again, or every block, in place, and return the model.

    What was there before `plug` is untouched: the same objects, keys and, but for training, outputs.

    Raises:
        UserError: nothing is plugged in there.
    """
    _refuse_wrapped(model)
    hosts = {name: module for name, module in model.named_modules() if _plugged(module)}
    if not hosts:
        raise UserError(f"nothing is plugged into this {type(model).__name__}")
    if at is None:
        for host in hosts.values():
            _remove(host)
    else:
        host = _submodule(model, at)
        if not _plugged(host):
            raise UserError(f"nothing is plugged in at {at!r}{nearest(at, hosts)}")
        _remove(host)
    return model


def plugged_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of every block that `plug` put in, gates included, each once.

    For a learning rate of their own:

        new = gald.plugged_parameters(model)
        old = [p for p in model.parameters() if not any(p is q for q in new)]
        torch.optim.SGD([{"params": old}, {"params": new, "lr": 0.1}], lr=0.01)

    Raises:
        UserError: a block is never reached, since another module stands where it was plugged in.
    """
    for name, module in model.named_modules():
        if _plugged(module) and not _reached(module):
            raise UserError(
                f"the block at {name!r} is never reached, since something has replaced the module in front of it; "
                "plug in after convert_sync_batchnorm and the like"
            )
    blocks = nn.ModuleList(module for module in model.modules() if isinstance(module, Plug))
    return list(blocks.parameters())


# --------------------------------------------------------------------------------------------------------- in and out


def _plugged(module: nn.Module) -> bool:
    return isinstance(getattr(module, NAME, None), Plug)


def _reached(host: nn.Module) -> bool:
    """Whether the host runs its block. Who replaces a module takes its children along, but not its hooks."""
    return _is_sequential(host) or _through in host._forward_hooks.values()


def _is_sequential(host: nn.Module) -> bool:
    return type(host).forward is nn.Sequential.forward


def _insert(host: nn.Module, added: Plug) -> None:
    host.add_module(NAME, added)
    if not _is_sequential(host):
        # In front of other hooks: who collects this module's map by one shall get the block's
        host.register_forward_hook(_through, prepend=True)


def _remove(host: nn.Module) -> None:
    del host._modules[NAME]
    for key in [key for key, hook in host._forward_hooks.items() if hook is _through]:
        del host._forward_hooks[key]


def _through(host: nn.Module, _inputs: Any, y: Tensor) -> Tensor:
    """The forward hook: what the module gave goes through its block."""
    z: Tensor = host._modules[NAME](y)  # type: ignore[misc]
    return z


def _refuse_wrapped(model: nn.Module) -> None:
    """Refuse what has looked at the modules already: a compiled graph doesn't ask again, DDP has its parameters."""
    _refuse_others(model)
    for module in model.modules():
        compiled = "_orig_mod" in module._modules or module._compiled_call_impl is not None
        if compiled or isinstance(module, nn.parallel.DistributedDataParallel):
            raise UserError(
                f"this {type(model).__name__} is compiled or distributed already; plug in or out before torch.compile "
                "and DistributedDataParallel"
            )


def _refuse_others(model: object) -> None:
    if isinstance(model, nn.Module):
        return
    if callable(model) and hasattr(model, "__name__"):
        raise UserError(f"{model.__name__} is no network, but may make one; call it first")
    raise UserError(f"the network is a torch.nn.Module, got a {type(model).__name__}")


def _submodule(model: nn.Module, at: str) -> nn.Module:
    if not isinstance(at, str):
        raise UserError(f"at is the name of a submodule, as in model.named_modules(), got {at!r}")
    if not at:
        raise UserError("at='' is the network itself; name the submodule behind which the block goes")
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    del modules[""]
    if at not in modules:
        same = [name for name in modules if name.rpartition(".")[2] == at.rpartition(".")[2]]
        hint = f"; did you mean {same[0]!r}?" if len(same) == 1 else nearest(at, modules)
        raise UserError(f"this {type(model).__name__} has no submodule {at!r}{hint}")
    return modules[at]


def _host(model: nn.Module, at: str) -> nn.Module:
    """The submodule that the block shall follow."""
    host = _submodule(model, at)
    if isinstance(host, torch.jit.ScriptModule):
        raise UserError(
            f"{at!r} is scripted or traced, and nothing goes into it any more; plug in before torch.jit.trace"
        )
    if _plugged(host):
        raise UserError(f"a block is plugged in at {at!r} already; gald.unplug(model, {at!r}) takes it out")
    if hasattr(host, NAME):
        raise UserError(f"{at!r} has something of its own by the name {NAME!r}; name a submodule around or after it")
    return host


def _map_behind(host: nn.Module, at: str, model: nn.Module, example: object) -> Tensor:
    """The map that the submodule gives in a run of the model."""
    y = one_map(outputs_of(host, model, example), at, example)
    if y.is_meta:  # filled in later, with whatever is in memory, the gates would not be zero
        raise UserError(f"this {type(model).__name__} is on the meta device; give it weights before you plug in")
    return y


def _try(added: Plug, y: Tensor, own: list[str]) -> None:
    """Run the new block on the map before it goes anywhere; ``own`` are the parts that the user brings."""
    try:
        with evaluating(added):
            added(y)
    except UserError:  # the block's own sentence: a part doesn't keep the shape
        raise
    except Exception as error:
        if not own:
            raise
        said = f"your {' and '.join(own)} fails on a map of shape {tuple(y.shape)}"
        raise UserError(f"{said} ({first_line(error)})") from error


def _take_back_unless_it_runs(host: nn.Module, added: Plug, at: str, model: nn.Module, example: object) -> None:
    """Refuse a host by which the block, now in its place, isn't called once in a pass: some call all that they hold."""
    try:
        runs_once = len(outputs_of(added, model, example)) == 1
    except UserError:
        runs_once = False
    if not runs_once:
        _remove(host)
        raise UserError(
            f"{at!r} ({type(host).__name__}) calls whatever it holds in its own way and so can't hold the block; "
            "name the submodule around it or one after it"
        )
