"""Several processes that train one run: each one's part of a batch, and tensors of all of them (torch.distributed).

Every process computes the same losses of the whole batch, so that weights, memories and decisions are the same in all of them;
only the networks run on a process's own images. DistributedDataParallel takes the mean of the processes' gradients, so what a
process contributes to a shared value counts as often as there are processes.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

RANKS_APART = 1 << 52  # between the random seeds of two processes' networks
Span = tuple[int, int]  # first row, and the row after the last


@dataclass(frozen=True)
class Process:
    """A process of a run, counted from 0; the first one stores the run and decides."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.world == 1

    def rows(self, spans: Sequence[Span]) -> Tensor | None:
        """Its rows of each of the spans that a batch consists of, int64; None where it has all of them, as every process has
        where there are fewer rows than processes."""
        if self.alone or min(end - start for start, end in spans) < self.world:
            return None
        return torch.cat([torch.arange(start, end).tensor_split(self.world)[self.rank] for start, end in spans])


ALONE = Process()


def whole(own: Tensor, rows: int) -> Tensor:
    """The rows of all processes, in their order: [b, ...] -> [rows, ...], with a gradient. No copy where these are all.

    Args:
        own: this process's, as many as `tensor_split` gives it of `rows`.
    """
    return own if len(own) == rows else cast(Tensor, _Whole.apply(own, rows))


class _Whole(torch.autograd.Function):
    """What is computed from the rows of all processes is the same in each, so its gradient is at hand: only rows are taken."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: int) -> Tensor:
        world, rank = dist.get_world_size(), dist.get_rank()
        sizes = [len(part) for part in torch.empty(rows).tensor_split(world)]
        ctx.own = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
        last = own.dim() == 4  # channels last, their order in memory
        plain = (own.permute(0, 2, 3, 1) if last else own).contiguous()
        padded = plain.new_zeros(sizes[0], *plain.shape[1:])
        padded[: len(plain)] = plain
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather([each.view(-1).view(torch.uint8) for each in found], padded.view(-1).view(torch.uint8))
        together = torch.cat([each[:size] for each, size in zip(found, sizes, strict=True)])
        return together.permute(0, 3, 1, 2) if last else together

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0][ctx.own] * dist.get_world_size(), None


def mean(own: Tensor, share: float) -> Tensor:
    """The mean over all processes' images of a value that is a mean over each process's own, with a gradient.

    Args:
        share: of the images that are this process's; 1 where it has all of them.
    """
    return own if share == 1 else cast(Tensor, _Mean.apply(own, share))


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, share: float) -> Tensor:
        ctx.times = share * dist.get_world_size()
        total = own * share
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.times, None


def mean_numbers(own: dict[str, float], share: float) -> dict[str, float]:
    """`mean` of several numbers, which have the same names in all processes."""
    if share == 1 or not own:
        return own
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    found = mean(torch.tensor(list(own.values()), dtype=torch.float64, device=device), share)
    return dict(zip(own, found.tolist(), strict=True))


def averaged(gradients: list[Tensor]) -> list[Tensor]:
    """The mean over the processes of tensors that each of them has, as DistributedDataParallel takes it."""
    flat = torch.cat([each.reshape(-1) for each in gradients]) / dist.get_world_size()
    dist.all_reduce(flat)
    parts = flat.split([each.numel() for each in gradients])
    return [part.view_as(each) for part, each in zip(parts, gradients, strict=True)]


def agreed(value: bool, device: torch.device) -> bool:
    """What the first process decides."""
    decision = torch.tensor(int(value), device=device)
    dist.broadcast(decision, src=0)
    return bool(decision.item())


def as_first(plain: Any) -> Any:
    """An object of the first process in all of them, its tensors on the CPU."""
    found = [_on_cpu(plain)]
    dist.broadcast_object_list(found, src=0)
    return found[0]


def _on_cpu(plain: Any) -> Any:
    match plain:
        case Tensor():
            return plain.cpu()
        case dict():
            return {name: _on_cpu(value) for name, value in plain.items()}
        case list() | tuple():
            return type(plain)(_on_cpu(value) for value in plain)
    return plain


def differing(own: Any) -> int:
    """The first process that has another object than the first one; 0 where all have the same."""
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, own)
    return next((rank for rank, each in enumerate(every) if each != every[0]), 0)


def share_state(module: nn.Module) -> None:
    """Give a module the first process's parameters and buffers."""
    with torch.no_grad():
        state = {name: tensor.detach().clone().contiguous() for name, tensor in module.state_dict().items()}
        for tensor in state.values():
            dist.broadcast(tensor, src=0)
        module.load_state_dict(state)


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Random layers of a network draw other numbers in each process; afterwards all of them go on alike."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(torch.initial_seed() + RANKS_APART * (1 + dist.get_rank()))
        yield
