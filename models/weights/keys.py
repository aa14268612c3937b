"""The names of other projects' parameters, as tables of rules.

Ours are PyTorchVideo's, and for R(2+1)D torchvision's behind `blocks.`, where every network here keeps its layers.

The facts come from facebookresearch/SlowFast (slowfast/models/*.py for the names, slowfast/utils/c2_model_loading.py
for how Caffe2 abbreviates them) and from facebookresearch/pytorchvideo (pytorchvideo/models/*.py).

PySlowFast numbers stages s1 to s5 and calls the rest `head`; PyTorchVideo numbers everything in a row, and a pool
between two stages takes a number too. So rules write stages as <s3> and <head>, and `numbers_of` reads from the names
of the network which numbers those are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Rule = tuple[str, str]  # regular expression, replacement; the first that matches the whole name is taken


@dataclass(frozen=True)
class Naming:
    """One project's names: a name that only it has, how each of its names becomes ours, and what it has beside weights.

    Without rules the names are ours already.
    """

    name: str
    mark: str
    rules: tuple[Rule, ...] = ()
    beside: str | None = None  # names of what training keeps and a network does not have


# ---- PySlowFast: .pyth. Batch norm carries the names of torch; only what is in front of them is renamed.

_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_STAGE = r"s([2-5])\.pathway([01])_res(\d+)"


def _pyslowfast_stages(block: str) -> tuple[Rule, ...]:
    """Residual stages; `block` is where PyTorchVideo keeps block \\3 of pathway \\2 of stage \\1."""
    return (
        (rf"{_STAGE}\.branch1\.weight", rf"{block}.branch1_conv.weight"),
        (rf"{_STAGE}\.branch1_bn\.{_NORM}", rf"{block}.branch1_norm.\4"),
        (rf"{_STAGE}\.branch2\.([abc])\.weight", rf"{block}.branch2.conv_\4.weight"),
        (rf"{_STAGE}\.branch2\.([abc])_bn\.{_NORM}", rf"{block}.branch2.norm_\4.\5"),
    )


_ONE_PATHWAY = r"blocks.<s\1>.res_blocks.\3"
_TWO_PATHWAYS = r"blocks.<s\1>.multipathway_blocks.\2.res_blocks.\3"
_PROJECTION: Rule = (r"head\.projection\.(weight|bias)", r"blocks.<head>.proj.\1")

_PYSLOWFAST_RESNET = (
    (r"s1\.pathway0_stem\.conv\.weight", r"blocks.0.conv.weight"),
    (rf"s1\.pathway0_stem\.bn\.{_NORM}", r"blocks.0.norm.\1"),
    *_pyslowfast_stages(_ONE_PATHWAY),
    _PROJECTION,
)
_PYSLOWFAST_SLOWFAST = (
    (r"s1\.pathway([01])_stem\.conv\.weight", r"blocks.0.multipathway_blocks.\1.conv.weight"),
    (rf"s1\.pathway([01])_stem\.bn\.{_NORM}", r"blocks.0.multipathway_blocks.\1.norm.\2"),
    (r"s([1-4])_fuse\.conv_f2s\.weight", r"blocks.<s\1>.multipathway_fusion.conv_fast_to_slow.weight"),
    (rf"s([1-4])_fuse\.bn\.{_NORM}", r"blocks.<s\1>.multipathway_fusion.norm.\2"),
    *_pyslowfast_stages(_TWO_PATHWAYS),
    _PROJECTION,
)
_PYSLOWFAST_X3D = (
    # PyTorchVideo gave the stem's two layers the names of each other.
    (r"s1\.pathway0_stem\.conv_xy\.weight", r"blocks.0.conv.conv_t.weight"),
    (r"s1\.pathway0_stem\.conv\.weight", r"blocks.0.conv.conv_xy.weight"),
    (rf"s1\.pathway0_stem\.bn\.{_NORM}", r"blocks.0.norm.\1"),
    # Its second norm shares a Sequential with the attention.
    (rf"{_STAGE}\.branch2\.b_bn\.{_NORM}", rf"{_ONE_PATHWAY}.branch2.norm_b.0.\4"),
    (rf"{_STAGE}\.branch2\.se\.fc1\.(weight|bias)", rf"{_ONE_PATHWAY}.branch2.norm_b.1.block.0.\4"),
    (rf"{_STAGE}\.branch2\.se\.fc2\.(weight|bias)", rf"{_ONE_PATHWAY}.branch2.norm_b.1.block.2.\4"),
    *_pyslowfast_stages(_ONE_PATHWAY),
    (r"head\.conv_5\.weight", r"blocks.<head>.pool.pre_conv.weight"),
    (rf"head\.conv_5_bn\.{_NORM}", r"blocks.<head>.pool.pre_norm.\1"),
    (r"head\.lin_5\.weight", r"blocks.<head>.pool.post_conv.weight"),  # without a norm
    _PROJECTION,
)

# ---- torchvision: .pth.

_TORCHVISION = ((r"((?:stem|layer[1-4]|fc)\..+)", r"blocks.\1"),)

# ---- Caffe2: .pkl. Each rule gives the PySlowFast name without its last word, which follows from the blob's ending.

_ENDINGS = {"w": "weight", "b": "bias", "s": "weight", "rm": "running_mean", "riv": "running_var"}
_CONV = r"_(?P<end>w|b)"
_BN = r"_bn_(?P<end>s|b|rm|riv)"

_CAFFE2_STAGES = (
    (rf"res([2-5])_(\d+)_branch1{_CONV}", r"s\1.pathway0_res\2.branch1"),
    (rf"res([2-5])_(\d+)_branch1{_BN}", r"s\1.pathway0_res\2.branch1_bn"),
    (rf"res([2-5])_(\d+)_branch2([abc]){_CONV}", r"s\1.pathway0_res\2.branch2.\3"),
    (rf"res([2-5])_(\d+)_branch2([abc]){_BN}", r"s\1.pathway0_res\2.branch2.\3_bn"),
    (rf"conv1{_CONV}", r"s1.pathway0_stem.conv"),
    (rf"res_conv1{_BN}", r"s1.pathway0_stem.bn"),
    (rf"pred{_CONV}", r"head.projection"),
)
_CAFFE2_FAST = (
    *((f"t_{pattern}", replacement.replace("pathway0", "pathway1")) for pattern, replacement in _CAFFE2_STAGES[:-1]),
    (rf"t_pool1_subsample{_CONV}", r"s1_fuse.conv_f2s"),
    (rf"t_pool1_subsample{_BN}", r"s1_fuse.bn"),
    (rf"t_res([2-4])_\d+_branch2c_bn_subsample{_CONV}", r"s\1_fuse.conv_f2s"),
    (rf"t_res([2-4])_\d+_branch2c_bn_subsample{_BN}", r"s\1_fuse.bn"),
)
_CAFFE2_X3D = (
    (rf"conv1_xy{_CONV}", r"s1.pathway0_stem.conv_xy"),
    (rf"res([2-5])_(\d+)_branch2b_bn_fc([12]){_CONV}", r"s\1.pathway0_res\2.branch2.se.fc\3"),
    (rf"conv_5{_CONV}", r"head.conv_5"),
    (rf"conv_5{_BN}", r"head.conv_5_bn"),
    (rf"lin_5{_CONV}", r"head.lin_5"),
)
_CAFFE2_BESIDE = r".*_momentum|lr|model_iter|.*_lr"

_CAFFE2 = {
    "Caffe2 X3D": ((*_CAFFE2_X3D, *_CAFFE2_STAGES), _PYSLOWFAST_X3D),
    "Caffe2 SlowFast": ((*_CAFFE2_FAST, *_CAFFE2_STAGES), _PYSLOWFAST_SLOWFAST),
    "Caffe2 ResNet": (_CAFFE2_STAGES, _PYSLOWFAST_RESNET),
}

# ---- Atze00/MoViNet-pytorch (movinets/models.py): a convolution is conv2d in its stream networks, else conv3d.

_BLOCK = r"blocks\.(b\d_l\d+)"
_BLOCK_HERE = r"blocks.blocks.\1"


def _movinet_conv(theirs: str, ours: str, group: int) -> tuple[Rule, ...]:
    """A convolution and its norm, of the part in groups before `group`."""
    return (
        (rf"{theirs}\.conv[23]d\.weight", rf"{ours}.conv.weight"),
        (rf"{theirs}\.norm\.{_NORM}", rf"{ours}.norm.\{group}"),
    )


_MOVINET = (
    *_movinet_conv(r"(conv[17])\.conv_1", r"blocks.\1", 2),
    *_movinet_conv(rf"{_BLOCK}\.(expand|project)\.conv_1", rf"{_BLOCK_HERE}.branch2.\2", 3),
    *_movinet_conv(rf"{_BLOCK}\.deep\.conv_1", rf"{_BLOCK_HERE}.branch2.deep.0", 2),
    *_movinet_conv(rf"{_BLOCK}\.deep\.conv_2", rf"{_BLOCK_HERE}.branch2.deep.1", 2),
    *_movinet_conv(rf"{_BLOCK}\.res\.[01]\.conv_1", rf"{_BLOCK_HERE}.branch1_conv", 2),
    (rf"{_BLOCK}\.se\.fc1\.conv_1\.conv[23]d\.(weight|bias)", rf"{_BLOCK_HERE}.branch2.se.block.0.\2"),
    (rf"{_BLOCK}\.se\.fc2\.conv_1\.conv[23]d\.(weight|bias)", rf"{_BLOCK_HERE}.branch2.se.block.2.\2"),
    (rf"{_BLOCK}\.alpha", rf"{_BLOCK_HERE}.branch2.scale.alpha"),
    (r"classifier\.([03])\.conv_1\.conv[23]d\.(weight|bias)", r"blocks.classifier.\1.\2"),
)

# ---- torchvision's MobileNetV3 (torchvision/models/mobilenetv3.py)

_MOBILENETV3 = (
    (r"features\.(\d+)\.block\.(\d+)\.fc1\.(weight|bias)", r"blocks.features.\1.branch2.\2.block.0.\3"),
    (r"features\.(\d+)\.block\.(\d+)\.fc2\.(weight|bias)", r"blocks.features.\1.branch2.\2.block.2.\3"),
    (r"features\.(\d+)\.block\.(.+)", r"blocks.features.\1.branch2.\2"),
    (r"((?:features|classifier)\.\d.*)", r"blocks.\1"),
)

# The first whose mark is among the names of a file is the file's naming.
NAMINGS = (
    Naming("PyTorchVideo", r"blocks\.\d+\..*"),
    Naming("co3d-bench", r"blocks\.layer1\.0\.conv1\.0\.0\.weight"),
    Naming("torchvision", r"layer1\.0\.conv1\.0\.0\.weight", _TORCHVISION),
    Naming("torchvision MobileNetV3", r"features\.1\.block\.0\.0\.weight", _MOBILENETV3),
    Naming("MoViNet-pytorch", r"conv1\.conv_1\.conv[23]d\.weight", _MOVINET),
    Naming("PySlowFast X3D", r"s1\.pathway0_stem\.conv_xy\.weight", _PYSLOWFAST_X3D),
    Naming("PySlowFast SlowFast", r"s1\.pathway1_stem\.conv\.weight", _PYSLOWFAST_SLOWFAST),
    Naming("PySlowFast ResNet", r"s1\.pathway0_stem\.conv\.weight", _PYSLOWFAST_RESNET),
    Naming("Caffe2 X3D", r"conv1_xy_w", beside=_CAFFE2_BESIDE),
    Naming("Caffe2 SlowFast", r"t_conv1_w", beside=_CAFFE2_BESIDE),
    Naming("Caffe2 ResNet", r"conv1_w", beside=_CAFFE2_BESIDE),
)
AS_THEY_ARE = Naming("its own names", r".*")


def rename(name: str, naming: Naming, numbers: Mapping[str, str]) -> str | None:
    """Our name for a file's, or None if no rule matches. `numbers` as from `numbers_of`."""
    rules = naming.rules
    if naming.name in _CAFFE2:
        abbreviations, rules = _CAFFE2[naming.name]
        name = _spelt_out(name, abbreviations) or ""
    elif not rules:
        return name
    ours = _first(name, rules)
    return None if ours is None else re.sub(r"<(\w+)>", lambda match: numbers.get(match[1], match[0]), ours)


def is_beside(name: str, naming: Naming) -> bool:
    """Whether that is no weight but something training keeps, such as a momentum."""
    return naming.beside is not None and re.fullmatch(naming.beside, name) is not None


def numbers_of(names: Iterable[str]) -> dict[str, str]:
    """Which block of a network each stage is, from the names of its parameters: {"s1": "0", ..., "head": "5"}."""
    residual, head = set(), None
    for name in names:
        if match := re.match(r"blocks\.(\d+)\.(?:multipathway_blocks\.\d+\.)?res_blocks\.", name):
            residual.add(int(match[1]))
        elif match := re.match(r"blocks\.(\d+)\.proj\.", name):
            head = match[1]
    stages = {f"s{stage}": str(block) for stage, block in enumerate(sorted(residual), start=2)}
    return {"s1": "0", **stages, **({"head": head} if head is not None else {})}


def _spelt_out(name: str, abbreviations: tuple[Rule, ...]) -> str | None:
    """The PySlowFast name of a Caffe2 blob."""
    for pattern, replacement in abbreviations:
        if match := re.fullmatch(pattern, name):
            return f"{match.expand(replacement)}.{_ENDINGS[match['end']]}"
    return None


def _first(name: str, rules: tuple[Rule, ...]) -> str | None:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return None
