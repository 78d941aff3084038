"""Groups of channels that can only be removed together, from Torch-Pruning's dependency graph of a network; and attention heads.

Fang et al., CVPR 2023, https://arxiv.org/abs/2301.12900
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.layers import Attention
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore.errors import UserError
from kdcore.models import Tapped, in_eval, pruned
from kdcore.models.taps import classifiers
from kdcore.pruning import heads
from kdcore.pruning.bounded import Bounded

LAYERS = (nn.Conv2d, nn.Linear, _BatchNorm)
# of Torch-Pruning's operations: those through which channel c stays channel c, or is found again by its place
PASSED = ("ELEMENTWISE", "RESHAPE", "CONCAT", "SPLIT", "EXPAND")
PASSED_IN_AN_MLP = ("ELEMENTWISE", "RESHAPE")  # its layers see all tokens as rows of one matrix


@dataclass(frozen=True, eq=False)
class Reader:
    """A layer that reads channels of a group, hidden units of an MLP, or heads.

    inputs: int64 [m], its input channels that belong to the group.
    channels: int64 [m], the channel of the group that each of them carries.
    """

    layer: str
    inputs: Tensor
    channels: Tensor


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that several layers share: each is removed from all of these layers or from none.

    name: of a layer that writes them.
    count: how many there are.
    readers: the layers that read them.
    outputs, inputs: layer -> how many of its outputs, or inputs, are removed with one channel.
    library: the group as Torch-Pruning has it, for its own scores; None for heads.
    attention: the layer whose heads the channels are, in the copy of the network.
    """

    name: str
    count: int
    readers: tuple[Reader, ...]
    outputs: dict[str, float]
    inputs: dict[str, float]
    library: Any = field(repr=False)
    attention: Attention | None = field(default=None, repr=False)


class Dependencies:
    """A copy of a network with the groups of its channels. `remove` narrows the copy, once.

    Raises:
        UserError: none of the network's channels can be removed, or Torch-Pruning is not installed.
    """

    def __init__(self, model: Tapped) -> None:
        library = torch_pruning()
        self.net = copy.deepcopy(model.net).eval().requires_grad_(True)
        example = torch.rand(1, 3, model.image_size, model.image_size, device=model.mean.device)
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # on parameters outside of layers: groups with them are left out below
            self._graph = library.DependencyGraph()
            try:
                self._graph.build_dependency(self.net, example_inputs=example)
                self._bounded = Bounded(self._graph)
                found = list(self._groups_of_convolutions())
                hidden = [self._hidden_units(layer) for layer in self._graph.module2node if self._is_hidden(layer)]
            except Exception as error:  # it is written for networks that it can trace, and fails in any way for others
                why = (str(error).splitlines() or [type(error).__name__])[0]
                raise UserError(f"{model.name} cannot be pruned: its layers could not be traced ({why}).") from error
        channels = [self._group(each) for each in [*filter(self._is_whole, found), *hidden]]
        self.groups = (*channels, *(_heads(name, each) for name, each in heads.attentions(self.net).items()))
        if not self.groups:
            raise UserError(
                f"{model.name} has no channels that can be removed: these are outputs of convolutions that BatchNorm, convolutions and "
                "linear layers read, hidden units between two linear layers, as in the MLP of a transformer's block, and heads of timm's "
                "attention. Prune a CNN, such as a student of this project or a ResNet, or a ViT."
            )

    def remove(self, kept: Sequence[Tensor]) -> None:
        """Remove all channels but these, int64 [k] for each group, from the copy of the network."""
        for group, places in zip(self.groups, kept, strict=True):
            if group.attention is not None:
                heads.keep(group.attention, places.tolist())
                continue
            gone = torch.ones(group.count, dtype=torch.bool)
            gone[places.cpu()] = False
            if gone.any():
                root = group.library[0].dep
                self._bounded.restart()
                self._graph.get_pruning_group(
                    root.target.module, root.handler, gone.nonzero().flatten().tolist()
                ).prune()

    def _groups_of_convolutions(self) -> Iterator[Any]:
        for found in self._graph.get_all_groups(list(classifiers(self.net)), root_module_types=(nn.Conv2d,)):
            yield found
            self._bounded.restart()

    def _is_whole(self, group: Any) -> bool:
        """Whether every layer of a group is one that is narrowed, and writes only channels of the group.

        A slice or zeros as new channels (the shortcuts of CIFAR ResNets) and parameters beside layers break this.
        """
        for item in group.items:
            layer, kind = item.dep.target.module, item.dep.target.type.name
            if not isinstance(layer, LAYERS):
                if kind not in PASSED:
                    return False
                if "SplitWithSizes" in type(item.dep.target.grad_fn).__name__:  # the sizes stand in the network's code
                    return False
                continue
            if {name for name, _ in layer.named_parameters(recurse=False)} - {"weight", "bias"}:
                return False  # such as the gains of a normaliser-free network, which the library leaves as they are
            if isinstance(layer, nn.Conv2d) and layer.groups > 1 and not pruned.is_depthwise(layer):
                return False
            writes = self._graph.is_out_channel_pruning_fn(item.dep.handler)
            if writes and not isinstance(layer, _BatchNorm) and len(item.idxs) != pruned.channels(layer)[0]:
                return False
        return True

    def _is_hidden(self, layer: nn.Module) -> bool:
        """Whether a layer writes the hidden units of an MLP: a linear layer whose outputs one other reads, in their order.

        Nothing else joins on the way, so queries, keys and values are not among them, nor what is added to a shortcut.
        """
        node = self._graph.module2node[layer]
        if not isinstance(layer, nn.Linear):
            return False
        while len(node.outputs) == 1 and _joins_weights_alone(node.outputs[0]):
            (node,) = node.outputs
            if isinstance(node.module, nn.Linear):
                return bool(node.module.in_features == layer.out_features)
            if node.type.name not in PASSED_IN_AN_MLP:
                return False
        return False

    def _hidden_units(self, layer: nn.Linear) -> Any:
        self._bounded.restart()
        write = self._graph.get_pruner_of_module(layer).prune_out_channels
        return self._graph.get_pruning_group(layer, write, list(range(layer.out_features)))

    def _group(self, group: Any) -> Group:
        count, readers = len(group[0].idxs), []
        outputs: dict[str, float] = {}
        inputs: dict[str, float] = {}
        for item in group.items:
            layer = item.dep.target.module
            if not isinstance(layer, LAYERS):
                continue
            name, share = self._graph._module2name[layer], len(item.idxs) / count
            if self._graph.is_out_channel_pruning_fn(item.dep.handler):
                outputs[name] = share
                if pruned.is_depthwise(layer):
                    inputs[name] = share
            else:
                inputs[name] = share
                readers.append(Reader(name, torch.tensor(item.idxs), torch.tensor(item.root_idxs)))
        root = self._graph._module2name[group[0].dep.target.module]
        return Group(root, count, tuple(readers), outputs, inputs, group)


def _heads(name: str, attention: Attention) -> Group:
    belongs = heads.readers_channels(attention)
    reader = Reader(f"{name}.proj", torch.arange(len(belongs)), belongs)
    size = float(attention.head_dim)
    outputs = {f"{name}.qkv": 3 * size, name: 1.0}
    return Group(name, attention.num_heads, (reader,), outputs, {reader.layer: size}, None, attention)


def _joins_weights_alone(node: Any) -> bool:
    """Whether an operation of the graph has one input, beside a layer's transposed weights, which come from nowhere."""
    others = [each for each in node.inputs if each.inputs or each.type.name not in PASSED_IN_AN_MLP]
    return len(others) == 1


def torch_pruning() -> Any:
    """The library. Raises UserError where it is not installed."""
    try:
        import torch_pruning as library
    except ImportError:
        raise UserError("Pruning needs the package torch-pruning. Install it: pip install torch-pruning") from None
    return library


def without(model: Tapped, groups: Sequence[Group], kept: Sequence[Tensor], images: Tensor) -> Tensor:
    """The logits [B, K] of the whole network with the other channels set to 0 wherever they are read."""
    from kdcore.explain.reading.hooks import Hook, hooked

    layers = dict(model.net.named_modules())
    hooks: list[Hook] = []
    for group, places in zip(groups, kept, strict=True):
        stays = torch.zeros(group.count, dtype=torch.bool)
        stays[places.cpu()] = True
        for reader in group.readers:
            gone = reader.inputs[~stays[reader.channels]].to(model.mean.device)
            hooks.append((layers[reader.layer], _Blank(gone)))
    with hooked(hooks, before=True), in_eval(model), torch.no_grad():
        return model(images).logits


class _Blank:
    """Sets input channels of a layer to 0."""

    def __init__(self, channels: Tensor) -> None:
        self.channels = channels

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first, *others = inputs
        return first.index_fill(-1 if isinstance(layer, nn.Linear) else 1, self.channels, 0), *others
