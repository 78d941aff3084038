"""How outputs are read from a network: a reader for each library, and the hooks that they set.

Hooks are objects, not closures: a deep copy of a model (the student's twin) then has taps of its own.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torchvision.models as tv
from timm.layers.attention import Attention as TimmAttention
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from kdcore.outputs import Outputs

CONTAINERS = ("features", "layers", "trunk_output", "blocks")  # of stages, in torchvision's CNNs
AFTER_THE_MAPS = ("norm", "permute", "avgpool", "dropout", "classifier", "fc", "head", "aux1", "aux2", "AuxLogits")


class Tap:
    """A hook that keeps what went into and came out of a module, until it is taken; only while it is open."""

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
        self.head_taps = [Tap() for _ in heads]
        self.taps: list[Tap | StageTap] = [*self.head_taps]
        for head, tap in zip(heads, self.head_taps, strict=True):
            head.register_forward_hook(tap)

    def read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        if "attention" in needs and self.token_without_maps:
            raise ValueError(self.token_without_maps)
        try:
            for tap in self.head_taps:
                tap.open = True
            said = self._read(images, needs | {"features"} if "dense" in needs else needs)
            return dataclasses.replace(said, dense=self._dense(said.features)) if "dense" in needs else said
        finally:
            for each in self.taps:
                each.clear()

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        raise NotImplementedError

    def _dense(self, features: tuple[Tensor, ...]) -> Tensor | None:
        """The classifier at every place of the last map; whether that means anything, `Tapped.shapes` finds out."""
        head = self.heads[0]
        if len(self.heads) > 1 or not isinstance(head, nn.Linear) or not features:
            return None
        if head.in_features != features[-1].shape[1]:
            return None
        return nn.functional.conv2d(features[-1], head.weight[:, :, None, None], head.bias)

    def _pooled(self) -> Tensor:
        """The vector that the classifier read; of several the mean (a distillation token's) or the chain (of branches)."""
        vectors = []
        for tap in self.head_taps:
            assert tap.inputs is not None, "the classifier was not called"
            read = tap.inputs
            vectors.append(read.mean(dim=tuple(range(2, read.dim()))) if read.dim() > 2 else read)
        if len({vector.shape for vector in vectors}) > 1:
            return torch.cat(vectors, dim=1)
        return vectors[0] if len(vectors) == 1 else torch.stack(vectors).mean(dim=0)


class TimmReader(Reader):
    """timm's networks, and ours that have timm's interface: forward_intermediates, forward_head, get_classifier."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net, classifiers(net))
        self.prefix_tokens = int(getattr(net, "num_prefix_tokens", 0))
        self.tokens = isinstance(net, (VisionTransformer, Eva, Beit))
        self.attention_taps: list[Tap] = []
        self.unfused: list[nn.Module] = []
        self.blocks: list[nn.Module] = []
        if getattr(net, "cls_token", None) is not None:
            self._tap_attention()

    def _tap_attention(self) -> None:
        if not isinstance(self.net, (VisionTransformer, Eva, Beit)):
            kind = type(self.net).__name__
            self.token_without_maps = (
                f"The class token's attention in a {kind} cannot be read: its blocks are not those of a ViT, DeiT, EVA or "
                "BEiT. Take one of these, or another map."
            )
            return
        self.blocks = [getattr(block, "attn", block) for block in cast(nn.ModuleList, self.net.blocks)]
        for attention in self.blocks:
            if attention in self.net.blocks or not hasattr(attention, "attn_drop"):
                kind = type(attention).__name__
                self.token_without_maps = (
                    f"The attention of {kind} blocks cannot be read. Take another map or another model."
                )
                return
        for attention in self.blocks:
            tap = Tap()
            if type(attention) is TimmAttention:
                cast(nn.Module, attention.qkv).register_forward_hook(tap)
            else:  # rotary or biased: the scores are only to be had from the network itself
                cast(nn.Module, attention.attn_drop).register_forward_hook(tap)
                self.unfused.append(attention)
            self.attention_taps.append(tap)
        self.taps += self.attention_taps
        self.attention_layers = len(self.blocks)

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        net = cast(Any, self.net)
        wants_attention = "attention" in needs
        for tap in self.attention_taps:
            tap.open = wants_attention
        if wants_qkv := "qkv" in needs and bool(self.blocks) and type(self.blocks[-1]) is TimmAttention:
            self.attention_taps[-1].open = True
        features: list[Tensor] = []
        with unfused(self.unfused if wants_attention else []):
            if "features" not in needs:
                said = net(images)
            elif hasattr(net, "forward_intermediates"):
                last, features = net.forward_intermediates(images)
                said = net.forward_head(last)
            else:
                last = net.forward_features(images)
                features = [last] if last.dim() == 4 else []
                said = net.forward_head(last)
        return Outputs(
            logits=said[0] if isinstance(said, tuple) else said,
            pooled=self._pooled(),
            features=tuple(features),
            attention=self._attention(images) if wants_attention else (),
            distilled_logits=self.head_taps[1].output if hasattr(net, "head_dist") and net.training else None,
            qkv=self._qkv(images) if wants_qkv else None,
        )

    def _qkv(self, images: Tensor) -> Tensor:
        attention = cast(Any, self.blocks[-1])
        parts = _given(self.attention_taps[-1].output)[:, self.prefix_tokens :]
        query, key, value = parts.unflatten(2, (3, attention.num_heads, attention.head_dim)).unbind(2)  # [B, N, h, d]
        said = torch.stack([attention.q_norm(query), attention.k_norm(key), value], dim=1)  # [B, 3, N, h, d]
        return said.permute(0, 1, 3, 4, 2).unflatten(4, self._grid(images, parts.shape[1]))

    def _attention(self, images: Tensor) -> tuple[Tensor, ...]:
        rows = []
        for tap, attention in zip(self.attention_taps, self.blocks, strict=True):
            if tap.output is None:
                raise ValueError(
                    f"{type(attention).__name__} gave no attention: its parts were not called as they should be."
                )
            row = class_row(attention, tap.output) if type(attention) is TimmAttention else tap.inputs[:, :, 0]  # type: ignore[index]
            patches = row[:, :, self.prefix_tokens :]
            rows.append(patches.unflatten(2, self._grid(images, patches.shape[2])))
        return tuple(rows)

    def _grid(self, images: Tensor, patches: int) -> tuple[int, int]:
        embed = cast(Any, self.net).patch_embed
        dynamic = hasattr(embed, "dynamic_feat_size")
        height, width = embed.dynamic_feat_size(tuple(images.shape[2:])) if dynamic else embed.grid_size
        if height * width != patches:
            raise ValueError(
                f"{patches} patches do not fill a grid of {height} x {width}: patch dropout, or tokens of another kind."
            )
        return height, width


def class_row(attention: nn.Module, qkv: Tensor) -> Tensor:
    """The class token's row of a timm attention, [B, h, N], from what its qkv layer gave: [B, N, 3 h d].

    The row alone costs next to nothing, and the network keeps its fused kernel.
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
    """Let attention modules compute their scores in the open for a while."""
    before = [module.fused_attn for module in modules]
    for module in modules:
        cast(Any, module).fused_attn = False
    try:
        yield
    finally:
        for module, fused in zip(modules, before, strict=True):
            cast(Any, module).fused_attn = fused


class TorchvisionReader(Reader):
    """torchvision's networks, which have no interface for maps: hooks on their stages."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net, classifiers(net))
        self.is_vit = self.tokens = isinstance(net, tv.VisionTransformer)
        self.stages = StageTap(channels_last=isinstance(net, tv.SwinTransformer))
        self.layers: list[Tap] = []
        self.attentions: list[Tap] = []
        if self.is_vit:
            self.prefix_tokens = 1
            for block in cast(Any, net).encoder.layers:
                self.layers.append(_tapped(block))
                self.attentions.append(_tapped(block.self_attention))
            self.attention_layers = len(self.layers)
        else:
            for part in _consecutive_parts(net):
                part.register_forward_hook(self.stages)
        self.taps += [self.stages, *self.layers, *self.attentions]

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        self.stages.open = "features" in needs
        for tap in self.layers:
            tap.open = "features" in needs
        for tap in self.attentions:
            tap.open = "attention" in needs
        if self.attentions and "qkv" in needs:
            self.attentions[-1].open = True
        said = self.net(images)
        features = list(self.stages.maps.values())
        attention: list[Tensor] = []
        qkv = None
        if self.is_vit:
            patch = cast(int, self.net.patch_size)
            grid = (images.shape[2] // patch, images.shape[3] // patch)
            if "features" in needs:
                features = [_given(tap.output)[:, 1:].transpose(1, 2).unflatten(2, grid) for tap in self.layers]
            if "attention" in needs:
                blocks = cast(Any, self.net).encoder.layers
                rows = [
                    multihead_class_row(block.self_attention, _given(tap.inputs))
                    for block, tap in zip(blocks, self.attentions, strict=True)
                ]
                attention = [row[:, :, 1:].unflatten(2, grid) for row in rows]
            if "qkv" in needs:
                last = cast(Any, self.net).encoder.layers[-1].self_attention
                parts = nn.functional.linear(_given(self.attentions[-1].inputs)[:, 1:], last.in_proj_weight, last.in_proj_bias)
                qkv = parts.unflatten(2, (3, last.num_heads, -1)).permute(0, 2, 3, 4, 1).unflatten(4, grid)
        return Outputs(
            logits=said if isinstance(said, Tensor) else said[0],  # Inception and GoogLeNet add auxiliary logits
            pooled=self._pooled(),
            features=tuple(features),
            attention=tuple(attention),
            qkv=qkv,
        )


def multihead_class_row(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """The class token's row of a batch-first nn.MultiheadAttention over tokens [B, N, D]: [B, h, N]."""
    query_weight, key_weight, _ = attention.in_proj_weight.chunk(3)
    query_bias, key_bias, _ = attention.in_proj_bias.chunk(3)
    query = nn.functional.linear(tokens[:, 0], query_weight, query_bias).unflatten(1, (attention.num_heads, -1))
    key = nn.functional.linear(tokens, key_weight, key_bias).unflatten(2, (attention.num_heads, -1))  # [B, N, h, d]
    return softmax_row(query * attention.head_dim**-0.5, key)


def reader_for(net: nn.Module) -> Reader:
    return TimmReader(net) if hasattr(net, "get_classifier") else TorchvisionReader(net)


def classifiers(net: nn.Module) -> tuple[nn.Module, ...]:
    """What a network says is its classifier, or two; of torchvision's the last linear layer, or last convolution."""
    if hasattr(net, "get_classifier"):
        head = cast(Any, net).get_classifier()
        return tuple(head) if isinstance(head, (tuple, nn.ModuleList)) else (head,)
    for kind in (nn.Linear, nn.Conv2d):
        if found := [module for module in net.modules() if isinstance(module, kind)]:
            return (found[-1],)
    raise ValueError(f"{type(net).__name__} has no classifier that could be found.")


def _tapped(module: nn.Module) -> Tap:
    tap = Tap()
    module.register_forward_hook(tap)
    return tap


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "a tapped module was not called"
    return tensor


def _consecutive_parts(net: nn.Module) -> list[nn.Module]:
    """A CNN's parts in the order of the forward, containers of stages opened, without pooling to one cell and the head."""
    parts: list[nn.Module] = []
    for name, child in net.named_children():
        if name in CONTAINERS and isinstance(child, (nn.Sequential, nn.ModuleList)):
            parts += child.children()
        elif name not in AFTER_THE_MAPS:
            parts.append(child)
    return parts
