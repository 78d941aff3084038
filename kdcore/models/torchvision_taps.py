"""Outputs of torchvision's networks, which have no interface for feature maps, by hooks on their parts."""

from typing import Any, cast

import torchvision.models as tv
from torch import Tensor, nn

from kdcore.models.taps import Reader, StageTap, classifiers, given, softmax_row, tapped
from kdcore.tensors.outputs import Outputs

CONTAINERS = ("features", "layers", "trunk_output", "blocks")  # of stages
AFTER_THE_MAPS = ("norm", "permute", "avgpool", "dropout", "classifier", "fc", "head", "aux1", "aux2", "AuxLogits")


class TorchvisionReader(Reader):
    """Reads a CNN or Swin: the last map at each resolution, and the classifier."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net, classifiers(net))
        self.stages = StageTap(channels_last=isinstance(net, tv.SwinTransformer))
        for part in _consecutive_parts(net):
            part.register_forward_hook(self.stages)
        self.taps.append(self.stages)

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        self.stages.open = "features" in needs
        outputs = self.net(images)
        return Outputs(
            logits=outputs
            if isinstance(outputs, Tensor)
            else outputs[0],  # Inception and GoogLeNet add auxiliary logits
            pooled=self._pooled(),
            features=tuple(self.stages.maps.values()),
        )


class TorchvisionViTReader(Reader):
    """Reads a ViT: the outputs of its encoder layers, and the inputs of their attention."""

    prefix_tokens = 1
    tokens = True

    def __init__(self, net: tv.VisionTransformer) -> None:
        super().__init__(net, classifiers(net))
        layers = list(cast(Any, net).encoder.layers)
        self.attentions = [layer.self_attention for layer in layers]
        self.layer_taps = [tapped(layer) for layer in layers]
        self.attention_taps = [tapped(attention) for attention in self.attentions]
        self.attention_layers = len(layers)
        self.taps += [*self.layer_taps, *self.attention_taps]

    def _read(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        for tap in self.layer_taps:
            tap.open = "features" in needs
        for tap in self.attention_taps:
            tap.open = "attention" in needs
        self.attention_taps[-1].open |= "qkv" in needs
        logits = self.net(images)
        patch = cast(int, self.net.patch_size)
        grid = (images.shape[2] // patch, images.shape[3] // patch)
        return Outputs(
            logits=logits,
            pooled=self._pooled(),
            features=self._features(grid) if "features" in needs else (),
            attention=self._attention(grid) if "attention" in needs else (),
            qkv=self._qkv(grid) if "qkv" in needs else None,
        )

    def _features(self, grid: tuple[int, int]) -> tuple[Tensor, ...]:
        return tuple(given(tap.output)[:, 1:].transpose(1, 2).unflatten(2, grid) for tap in self.layer_taps)

    def _attention(self, grid: tuple[int, int]) -> tuple[Tensor, ...]:
        taps = zip(self.attentions, self.attention_taps, strict=True)
        rows = [multihead_class_row(attention, given(tap.inputs)) for attention, tap in taps]
        return tuple(row[:, :, 1:].unflatten(2, grid) for row in rows)

    def _qkv(self, grid: tuple[int, int]) -> Tensor:
        last = self.attentions[-1]
        patches = given(self.attention_taps[-1].inputs)[:, 1:]
        parts = nn.functional.linear(patches, last.in_proj_weight, last.in_proj_bias)
        return parts.unflatten(2, (3, last.num_heads, -1)).permute(0, 2, 3, 4, 1).unflatten(4, grid)


def multihead_class_row(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """The class token's row of a batch-first nn.MultiheadAttention over tokens [B, N, D]: [B, h, N]."""
    query_weight, key_weight, _ = attention.in_proj_weight.chunk(3)
    query_bias, key_bias, _ = attention.in_proj_bias.chunk(3)
    query = nn.functional.linear(tokens[:, 0], query_weight, query_bias).unflatten(1, (attention.num_heads, -1))
    key = nn.functional.linear(tokens, key_weight, key_bias).unflatten(2, (attention.num_heads, -1))  # [B, N, h, d]
    return softmax_row(query * attention.head_dim**-0.5, key)


def _consecutive_parts(net: nn.Module) -> list[nn.Module]:
    """A CNN's parts in the order of the forward, containers of stages opened, without pooling to one cell and the head."""
    parts: list[nn.Module] = []
    for name, child in net.named_children():
        if name in CONTAINERS and isinstance(child, (nn.Sequential, nn.ModuleList)):
            parts += child.children()
        elif name not in AFTER_THE_MAPS:
            parts.append(child)
    return parts
