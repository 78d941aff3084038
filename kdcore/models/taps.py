"""Hooks that read a network's outputs in one forward, and the reader of networks with timm's interface.

Hooks are objects, not closures, so that a deep copy of a model (the student's twin) has its own.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from timm.layers.attention import Attention as TimmAttention
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.tensors.outputs import Outputs


class Tap:
    """A hook that stores a module's input and output while it is open."""

    def __init__(self) -> None:
        self.open = False
        self.inputs: Tensor | None = None
        self.output: Tensor | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if self.open:
            self.inputs, self.output = inputs[0], output

    def clear(self) -> None:
        self.open, self.inputs, self.output = False, None, None


class StageTap:
    """A hook on a CNN's consecutive parts: the last map at each resolution, from shallow to deep."""

    def __init__(self, *, channels_last: bool = False) -> None:
        self.open = False
        self.channels_last = channels_last
        self.maps: dict[tuple[int, int], Tensor] = {}

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if self.open and isinstance(output, Tensor) and output.dim() == 4:
            output = output.permute(0, 3, 1, 2) if self.channels_last else output
            self.maps[(output.shape[2], output.shape[3])] = output

    def clear(self) -> None:
        self.open, self.maps = False, {}


class Reader:
    """Reads a network's outputs in one forward. `heads` are its classifiers."""

    prefix_tokens = 0
    attention_layers = 0
    tokens = False  # whether the feature maps are a ViT's patch tokens
    token_without_maps = ""  # why attention cannot be read, where there is a class token

    def __init__(self, net: nn.Module, heads: tuple[nn.Module, ...]) -> None:
        self.net = net
        self.heads = heads
        self.head_taps = [tapped(head) for head in heads]
        self.taps: list[Tap | StageTap] = [*self.head_taps]

    def read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        """`dense` is given wherever the classifier fits the last map; `Tapped` decides whether it is meaningful."""
        if "attention" in needs and self.token_without_maps:
            raise UserError(self.token_without_maps)
        try:
            for tap in self.head_taps:
                tap.open = True
            if "dense" not in needs:
                return self._read(images, needs)
            outputs = self._read(images, needs | {"features"})
            return dataclasses.replace(outputs, dense=self._dense(outputs.features))
        finally:
            for each in self.taps:
                each.clear()

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        raise NotImplementedError

    def _dense(self, features: tuple[Tensor, ...]) -> Tensor | None:
        """The classifier at every position of the last map, [B, K, H, W]."""
        head = self.heads[0]
        if len(self.heads) > 1 or not isinstance(head, nn.Linear) or not features:
            return None
        if head.in_features != features[-1].shape[1]:
            return None
        return nn.functional.conv2d(features[-1], head.weight[:, :, None, None], head.bias)

    def _pooled(self) -> Tensor:
        """The classifier's input; for several classifiers the mean (distillation token) or concatenation (branches)."""
        vectors = []
        for tap in self.head_taps:
            read = given(tap.inputs)
            vectors.append(read.mean(dim=tuple(range(2, read.dim()))) if read.dim() > 2 else read)
        if len({vector.shape for vector in vectors}) > 1:
            return torch.cat(vectors, dim=1)
        return vectors[0] if len(vectors) == 1 else torch.stack(vectors).mean(dim=0)


class TimmReader(Reader):
    """Reads networks with timm's interface: forward_intermediates, forward_head, get_classifier."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net, classifiers(net))
        self.prefix_tokens = int(getattr(net, "num_prefix_tokens", 0))
        self.tokens = isinstance(net, (VisionTransformer, Eva, Beit))
        self.attention_taps: list[Tap] = []
        self.unfused: list[nn.Module] = []
        self.blocks: list[nn.Module] = []
        if self.tokens and not len(cast(nn.ModuleList, net.blocks)):
            raise UserError(f"A {type(net).__name__} without blocks cannot be used: set its option depth to 1 or more.")
        if getattr(net, "cls_token", None) is not None:
            self._tap_attention()
        self.qkv_tap: Tap | None = None
        if self.tokens:
            self._tap_qkv()

    def _tap_attention(self) -> None:
        if not self.tokens:
            kind = type(self.net).__name__
            self.token_without_maps = (
                f"The class token's attention in a {kind} cannot be read: its blocks are not those of a ViT, DeiT, EVA or "
                "BEiT. Use one of these, or another map."
            )
            return
        blocks = list(cast(nn.ModuleList, self.net.blocks))
        self.blocks = [getattr(block, "attn", block) for block in blocks]
        for attention in self.blocks:
            if attention in blocks or not hasattr(attention, "attn_drop"):
                kind = type(attention).__name__
                self.token_without_maps = (
                    f"The attention of {kind} blocks cannot be read. Use another map or another model."
                )
                return
        for attention in self.blocks:
            if type(attention) is TimmAttention:
                self.attention_taps.append(tapped(attention.qkv))
            else:  # rotary or biased: only the network itself computes the scores
                self.attention_taps.append(tapped(cast(nn.Module, attention.attn_drop)))
                self.unfused.append(attention)
        self.taps += self.attention_taps
        self.attention_layers = len(self.blocks)

    def _tap_qkv(self) -> None:
        """Needs no class token, only attention without rotation or bias."""
        attention = getattr(cast(nn.ModuleList, self.net.blocks)[-1], "attn", None)
        if type(attention) is TimmAttention:
            self.qkv_tap = tapped(attention.qkv)
            self.taps.append(self.qkv_tap)

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        net = cast(Any, self.net)
        wants_attention = "attention" in needs
        for tap in self.attention_taps:
            tap.open = wants_attention
        if self.qkv_tap:
            self.qkv_tap.open = "qkv" in needs
        features: list[Tensor] = []
        with unfused(self.unfused if wants_attention else []):
            if "features" not in needs:
                outputs = net(images)
            elif hasattr(net, "forward_intermediates"):
                last, features = net.forward_intermediates(images)
                outputs = net.forward_head(last)
            else:
                last = net.forward_features(images)
                features = [last] if last.dim() == 4 else []
                outputs = net.forward_head(last)
        return Outputs(
            logits=outputs[0] if isinstance(outputs, tuple) else outputs,
            pooled=self._pooled(),
            features=tuple(features),
            attention=self._attention(images) if wants_attention else (),
            distilled_logits=self.head_taps[1].output if distills(net) and net.training else None,
            qkv=self._qkv(images) if self.qkv_tap and self.qkv_tap.open else None,
        )

    def _attention(self, images: Tensor) -> tuple[Tensor, ...]:
        rows = []
        for tap, attention in zip(self.attention_taps, self.blocks, strict=True):
            if tap.output is None:
                raise UserError(
                    f"{type(attention).__name__} did not compute attention scores, so they cannot be read. Use another map or another model."
                )
            row = class_row(attention, tap.output) if type(attention) is TimmAttention else tap.inputs[:, :, 0]  # type: ignore[index]
            patches = row[:, :, self.prefix_tokens :]
            rows.append(patches.unflatten(2, self._grid(images, patches.shape[2])))
        return tuple(rows)

    def _qkv(self, images: Tensor) -> Tensor:
        """The last block's queries, keys and values of the patches, [B, 3, h, d, H, W], after their norms, before the
        scores are divided by sqrt(d)."""
        attention = cast(Any, self.net).blocks[-1].attn
        patches = given(cast(Tap, self.qkv_tap).output)[:, self.prefix_tokens :]
        query, key, value = patches.unflatten(2, (3, attention.num_heads, attention.head_dim)).unbind(2)  # [B, N, h, d]
        parts = torch.stack([attention.q_norm(query), attention.k_norm(key), value], dim=1)
        return parts.permute(0, 1, 3, 4, 2).unflatten(4, self._grid(images, patches.shape[1]))

    def _grid(self, images: Tensor, patches: int) -> tuple[int, int]:
        embed = cast(Any, self.net).patch_embed
        dynamic = hasattr(embed, "dynamic_feat_size")
        height, width = embed.dynamic_feat_size(tuple(images.shape[2:])) if dynamic else embed.grid_size
        if height * width != patches:
            raise UserError(
                f"{patches} patches do not fill a grid of {height} x {width}: the model drops patches or has other tokens. Use another "
                "model."
            )
        return height, width


def class_row(attention: nn.Module, qkv: Tensor) -> Tensor:
    """The class token's row of a timm attention, [B, h, N], from the output of its qkv layer: [B, N, 3 h d].

    A single row costs next to nothing, and the network keeps its fused kernel.
    """
    timm = cast(Any, attention)
    parts = qkv.unflatten(2, (3, timm.num_heads, timm.head_dim))  # [B, N, 3, h, d]
    query, key = timm.q_norm(parts[:, 0, 0]), timm.k_norm(parts[:, :, 1])  # [B, h, d], [B, N, h, d]
    return softmax_row(query * timm.scale, key)


def softmax_row(query: Tensor, key: Tensor) -> Tensor:
    """softmax over N of query [B, h, d], scaled already, against keys [B, N, h, d] -> [B, h, N]."""
    scores = (key * query.unsqueeze(1)).sum(dim=3)  # a matrix product would first copy the keys: three times the time
    return scores.transpose(1, 2).softmax(dim=2)


@contextmanager
def unfused(modules: list[nn.Module]) -> Iterator[None]:
    """Let attention modules compute their scores explicitly within the block."""
    before = [module.fused_attn for module in modules]
    for module in modules:
        cast(Any, module).fused_attn = False
    try:
        yield
    finally:
        for module, fused in zip(modules, before, strict=True):
            cast(Any, module).fused_attn = fused


def classifiers(net: nn.Module) -> tuple[nn.Module, ...]:
    """A network's classifiers by timm's interface; for torchvision's the last linear layer or convolution."""
    if hasattr(net, "get_classifier"):
        head = cast(Any, net).get_classifier()
        return tuple(_flat(head))
    for kind in (nn.Linear, nn.Conv2d):
        if found := [module for module in net.modules() if isinstance(module, kind)]:
            return (found[-1],)
    raise UserError(
        f"{type(net).__name__} has no classifier: neither get_classifier() nor a linear or convolutional layer."
    )


def _flat(heads: Any) -> Iterator[nn.Module]:
    """The classifiers in nested tuples and lists, without the None of a network that has no distillation head."""
    if isinstance(heads, (tuple, list, nn.ModuleList)):
        for each in heads:
            yield from _flat(each)
    elif isinstance(heads, nn.Module):
        yield heads


def has_class_token(net: nn.Module) -> bool:
    """Whether a network has a class token, whatever it makes of it: a parameter called `cls_token` or the like."""
    return any("cls_token" in name or "class_token" in name for name, _ in net.named_parameters())


def distills(net: nn.Module) -> bool:
    """Whether a network has a second classifier, on a distillation token. Without one timm's attribute is missing or None."""
    return isinstance(getattr(net, "head_dist", None), nn.Module) and len(classifiers(net)) == 2


def tapped(module: nn.Module) -> Tap:
    """Register a tap on a module."""
    tap = Tap()
    module.register_forward_hook(tap)
    return tap


def given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "a tapped module was not called"
    return tensor
