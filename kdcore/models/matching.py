"""Matches a file's tensors to a network's: prefixes of wrappers, names of other code, position embeddings."""

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

State = dict[str, Tensor]
Report = Callable[[str], None]

WRAPPERS = ("_orig_mod.", "module.")  # of torch.compile and data parallel training, also around parts of a network
DEEPEST = 5  # parts of a name that may be a prefix
COUNTERS = ("total_ops", "total_params", "n_averaged")  # of profilers and averaged models: no weights
POSITIONS = ("pos_embed", "encoder.pos_embedding")


def matched(state: State, net: nn.Module, report: Report = lambda text: None) -> State:
    """A state under the network's own names and for its image size, as far as that can be found; nothing is checked.

    Args:
        report: called with a sentence for each thing that was changed.
    """
    own = net.state_dict()
    if _fits(state, own):
        return state
    named = fit_positions(_renamed(state, own, report), net, report)
    return named if _fits(named, own) else _converted(named, net, own, report)


def fit_positions(state: State, net: nn.Module, report: Report = lambda text: None) -> State:
    """A ViT's state with its position embedding brought to the grid of another image size, where the two differ."""
    own = net.state_dict()
    fitted = dict(state)
    for name in POSITIONS:
        if name in fitted and name in own and fitted[name].shape != own[name].shape and fitted[name].dim() == 3:
            in_embedding = not getattr(net, "no_embed_class", False)
            prefix = int(getattr(net, "num_prefix_tokens", 1)) if in_embedding else 0
            side = round((own[name].shape[1] - prefix) ** 0.5)
            before = round((fitted[name].shape[1] - prefix) ** 0.5)
            if before**2 + prefix != fitted[name].shape[1]:
                continue  # of no square grid: refused with its shape
            fitted[name] = resample_abs_pos_embed(fitted[name].float(), [side, side], num_prefix_tokens=prefix)
            report(f"The position embedding was resized from {before} x {before} to {side} x {side} patches.")
    return fitted


def prefix_of(names: Iterable[str], own: Iterable[str]) -> tuple[str, int, list[str]]:
    """The prefix without which most names are the network's own, how many that are, and other prefixes as good."""
    known, counts = set(own), Counter[str]()
    for name in names:
        parts = name.split(".")
        for depth in range(min(len(parts), DEEPEST)):
            if ".".join(parts[depth:]) in known:
                counts[".".join(parts[:depth]) + "." * (depth > 0)] += 1
    if not counts:
        return "", 0, []
    most = max(counts.values())
    best, *others = sorted((prefix for prefix, count in counts.items() if count == most), key=lambda p: (len(p), p))
    return best, most, others


def _renamed(state: State, own: State, report: Report) -> State:
    """Without the prefix and wrappers of the script that saved it, and without what is no weight of this network."""
    best: State = state
    removed: tuple[str, ...] = ()
    for wrappers in ((), WRAPPERS[:1], WRAPPERS):
        bare = {_without(name, wrappers): tensor for name, tensor in state.items()}
        if prefix_of(bare, own)[1] > prefix_of(best, own)[1]:
            best, removed = bare, wrappers
    prefix, fitting, others = prefix_of(best, own)
    if removed:
        found = [repr(wrapper) for wrapper in removed if any(f".{wrapper}" in f".{name}" for name in state)]
        report(f"{' and '.join(found)} {'were' if len(found) > 1 else 'was'} removed from the tensors' names.")
    if prefix:
        also = f" The file also has {' and '.join(map(repr, others))} with as many." if others else ""
        report(f"The prefix {prefix!r} was removed from {fitting} names.{also}")
    left = [name for name in best if not name.startswith(prefix) or _is_counter(name, own)]
    if left:
        shown = ", ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
        report(f"Left out, as they are no weights of this network: {shown}.")
    dropped = set(left)
    return {name.removeprefix(prefix): tensor for name, tensor in best.items() if name not in dropped}


def _converted(state: State, net: nn.Module, own: State, report: Report) -> State:
    """By timm's own conversion for the network, where more tensors fit after it."""
    convert = _conversion(net)
    if convert is None:
        return state
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # timm's interpolation of tables of relative positions
            found = convert(dict(state), net)
    except Exception:  # it is written for a few known layouts, and fails in any way for others
        return state
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        return state
    before, after = _fitting(state, own), _fitting(found, own)
    if after <= before:
        return state
    report(f"timm's conversion for {type(net).__name__} renamed or resized {after - before} tensors.")
    return found


def _conversion(net: nn.Module) -> Callable[..., Any] | None:
    """timm's function for older layouts and other image sizes, from the module of the network's class or a base of it."""
    for kind in type(net).__mro__:
        module = sys.modules.get(kind.__module__)
        if kind.__module__.startswith("timm.models.") and (found := getattr(module, "checkpoint_filter_fn", None)):
            return found
    return None


def _without(name: str, wrappers: tuple[str, ...]) -> str:
    for wrapper in wrappers:
        name = name.removeprefix(wrapper).replace(f".{wrapper}", ".")
    return name


def _is_counter(name: str, own: State) -> bool:
    return name.rpartition(".")[2] in COUNTERS and name not in own


def _fits(state: State, own: State) -> bool:
    return len(state) == len(own) == _fitting(state, own)


def _fitting(state: State, own: State) -> int:
    """How many tensors have a name and shape of the network's."""
    return sum(name in own and tensor.shape == own[name].shape for name, tensor in state.items())
