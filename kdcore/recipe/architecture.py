"""Checks the networks that a recipe or weight file may name, and their architecture settings.

Constructors of timm and torchvision also take arguments that open addresses and write files, and others that the project
decides itself. So only the settings listed here reach one, with values in a range that a machine can hold.
"""

import difflib
import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdcore.errors import UserError

NAME = re.compile(r"(torchvision/)?\w[\w.-]{0,99}", re.ASCII)
MOST_OPTIONS = 40
MOST_ENTRIES = 32  # of a list: one number for each stage
LAYER = re.compile(r"\w[\w.]{0,199}", re.ASCII)
MOST_LAYERS, MOST_CHANNELS = 4000, 65536  # of a pruned network


@dataclass(frozen=True)
class Kind:
    """The values of a setting: true or false, one of some words, a number (where `several`, a list of numbers too), or the
    channels of layers by their names."""

    low: float = 0
    high: float = 0
    whole: bool = True
    several: bool = True
    below: bool = False  # the upper bound itself is left out
    flag: bool = False
    choices: tuple[str, ...] = ()
    layers: bool = False

    def takes(self, value: Any) -> bool:
        if self.flag:
            return isinstance(value, bool)
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if self.layers:
            return (
                isinstance(value, Mapping)
                and len(value) <= MOST_LAYERS
                and all(self._is_layer(*each) for each in value.items())
            )
        if isinstance(value, (list, tuple)):
            return self.several and 0 < len(value) <= MOST_ENTRIES and all(self._in_range(each) for each in value)
        return self._in_range(value)

    def _in_range(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return self.low <= value <= self.high and math.isfinite(value) and not (self.below and value == self.high)

    def _is_layer(self, name: Any, channels: Any) -> bool:
        named = isinstance(name, str) and LAYER.fullmatch(name) is not None
        listed = isinstance(channels, (list, tuple)) and 1 <= len(channels) <= 2
        return named and listed and all(self._in_range(each) for each in channels)

    def in_words(self) -> str:
        if self.flag:
            return "true or false"
        if self.layers:
            return f"names of up to {MOST_LAYERS:,} layers, each with its outputs and inputs (from 0, as many as it has, to {self.high:g})"
        if self.choices:
            return f"one of {', '.join(repr(choice) for choice in self.choices)}"
        number = "a whole number " if self.whole else ""
        span = f"{number}from {self.low:g} to {'below ' if self.below else ''}{self.high:g}"
        return span + (f", or a list of up to {MOST_ENTRIES} of them" if self.several else "")


FLAG = Kind(flag=True)
RATE = Kind(0, 1, whole=False, several=False, below=True)
SHARE = Kind(0, 1, whole=False)
LAYERS = Kind(0, 200)
WIDTH = Kind(1, 8192)
HEADS = Kind(1, 128)
SMALL = Kind(0, 64)
SIDE = Kind(2, 64)
RATIO = Kind(0.01, 32, whole=False)
SCALE = Kind(0, 100, whole=False)
NORMS = Kind(
    choices=(
        "batchnorm", "batchnorm2d", "groupnorm", "groupnorm1", "layernorm", "layernorm2d", "rmsnorm", "rmsnorm2d",
        "simplenorm", "simplenorm2d",
    )
)  # fmt: skip
ACTIVATIONS = Kind(
    choices=(
        "celu", "elu", "gelu", "gelu_tanh", "hard_mish", "hard_sigmoid", "hard_swish", "identity", "leaky_relu", "mish",
        "prelu", "quick_gelu", "relu", "relu6", "selu", "sigmoid", "silu", "swish", "tanh",
    )
)  # fmt: skip


def _each(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


SETTINGS: dict[str, Kind] = {
    **_each(
        RATE,
        "drop_rate drop_path_rate attn_drop_rate proj_drop_rate pos_drop_rate patch_drop_rate drop_block_rate drop dropout "
        "attention_dropout mlp_dropout stochastic_depth_prob transition_compression_ratio",
    ),
    **_each(
        FLAG,
        "qkv_bias proj_bias mlp_bias conv_bias head_bias stem_bias bias qk_norm class_token distillation distilled pre_norm "
        "final_norm fc_norm use_fc_norm no_embed_class swiglu_mlp scale_mlp scale_attn_inner scale_attn_norm scale_mlp_norm "
        "use_rot_pos_emb use_abs_pos_emb use_abs_pos use_rel_pos use_rel_pos_bias use_shared_rel_pos_bias shared_rel_pos "
        "use_pos_embed sep_pos_embed use_pre_transformer_norm use_post_transformer_norm use_post_norm zero_init_last "
        "zero_init_residual avg_down aa_stem_only replace_stem_pool preact shortcut_root conv_mlp use_grn patch_norm ffn "
        "use_layer_scale head_norm head_norm_first stem_norm stem_mid_norm small_stem rope_rotate_half qkv_fused "
        "multi_conv dynamic_img_size dynamic_img_pad vit_stem attn_only_layer_scale use_expand_proj downsample_block",
    ),
    **_each(
        LAYERS,
        "depth depths layers num_layers num_blocks convolutions stages serial_depths transformer_depths block_config levels "
        "block_layers depth_token_only cls_attn_layers local_up_to_layer parallel_depth",
    ),
    **_each(
        WIDTH,
        "dim dims embed_dim embed_dims hidden_dim hidden_size hidden_sizes mlp_dim widths width_list channels block_channels "
        "stem_channels stem_chs stem_size stem_width stem_hidden_dim num_features num_init_features init_channels growth_rate "
        "growth_rates base_dims base_dim base_width width_per_group head_hidden_size head_widths key_dim representation_size "
        "inner_dim rel_pos_dim feature_dim neck_chans",
    ),
    **_each(HEADS, "heads num_heads num_kv_heads head_dim num_heads_inner num_heads_outer groups cardinality"),
    **_each(
        SMALL,
        "reg_tokens num_reg_tokens strides stride output_stride q_stride patch_stride down_stride kernel_size kernel_sizes "
        "stem_kernel_size down_kernel_size down_patch_size bn_size sr_ratios round_nearest first_stride pool_size num_vit "
        "block_reduce_first",
    ),
    **_each(SIDE, "patch_size patch_sizes window_size window_sizes partition_size mask_unit_size"),
    **_each(
        RATIO,
        "mlp_ratio mlp_ratios expand_ratio expansion_ratio conv_ratio attn_ratio ffn_ratio window_ratio bottle_ratio "
        "width_mult depth_mult width_factor width alpha channel_multiplier dim_mul head_mul deepen_factor widen_factor "
        "mlp_ratio_token_only stem_expand_ratio mbconv_expand_ratio",
    ),
    **_each(SHARE, "norm_eps se_ratio squeeze_ratio mix_block_ratio"),
    **_each(
        SCALE,
        "init_values layer_scale layer_scale_init_value layer_scale_init_values ls_init_value layerscale_value "
        "head_init_scale locality_strength",
    ),
    **_each(NORMS, "norm_layer embed_norm_layer"),
    **_each(ACTIVATIONS, "act_layer mlp_act fc_act_layer"),
    "shortcut": Kind(choices=("pad", "conv")),
    "pos_embed": Kind(choices=("learn", "none")),
    "stem_type": Kind(choices=("deep", "deep_tiered", "overlap", "patch")),
    "weight_init": Kind(choices=("jax", "jax_nlhb", "moco")),
    "pruned": Kind(0, MOST_CHANNELS, layers=True),  # fewer channels than the architecture has, see `models.pruned`
}  # fmt: skip


def _because(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


DECIDED: dict[str, str] = {
    **_because("the data decides how many classes there are", "num_classes classes n_classes"),
    **_because("images have three channels, as the data reads them", "in_chans in_channels"),
    **_because(
        "`data.image_size` decides it",
        "img_size image_size input_size strict_img_size img_scale",
    ),
    **_because(
        "the project reads logits, pooled vector, maps and attention of a network itself",
        "features_only out_indices global_pool pool_type aux_logits transform_input return_interm_layers fork_feat feature_cls "
        "out_features num_pool head use_aux_head head_fn",
    ),
    **_because(
        "it changes how a network is compiled or placed, not its architecture",
        "scriptable exportable no_jit jit progress device dtype memory_efficient use_checkpoint inference_mode fuse_bn "
        "grad_checkpointing",
    ),
}
ELSEWHERE = re.compile(
    r"pretrain|checkpoint|cache|hub|url|file|path$|path_|_dir|^dir|weights|state_dict|_cfg|config$|^cfg"
)
FROM_WEIGHTS = (
    "weights come from `weights:` (pretrained, a bundled model, a run or a .safetensors file), never from an option"
)


def check_name(name: str) -> None:
    """Refuse what cannot be a network's name. Whether a network has that name is checked when the libraries are loaded.

    Raises:
        ValueError: an address, a path or a scheme such as `hf-hub:`; the message shows what a name looks like.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"{reprlib.repr(name)} is not a network's name: URLs, files and folders are not opened. Name "
            "a network of timm (vit_tiny_patch16_224), of torchvision (torchvision/resnet18) or of this project; weights of "
            "your own come from `weights: FILE.safetensors`."
        )


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse every option that is not an architecture setting, or has a value out of range.

    Raises:
        ValueError: names the option, what came and what would do, or what decides it instead.
    """
    if len(options) > MOST_OPTIONS:
        raise UserError(f"{len(options)} options are more than the {MOST_OPTIONS} that a network may have.")
    for name, value in options.items():
        kind = SETTINGS.get(name)
        if kind is None:
            raise UserError(_refusal(name))
        if not kind.takes(value):
            raise UserError(f"the option {name} must be {kind.in_words()}, not {reprlib.repr(value)}.")


def _refusal(name: str) -> str:
    """Why a name is not among the settings."""
    if name in DECIDED:
        return f"the option {name} cannot be set: {DECIDED[name]}. Leave it out."
    if ELSEWHERE.search(name.lower()):
        return f"the option {reprlib.repr(name)} cannot be set: {FROM_WEIGHTS}. Leave it out."
    near = difflib.get_close_matches(name[:64], SETTINGS, n=3)
    hint = f" Did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    return f"there is no option {reprlib.repr(name)}.{hint} Options are settings of the architecture, such as depth or drop_rate."
