"""Small networks that the form for boards can hold."""

from __future__ import annotations

import sys
from pathlib import Path

from co3d_bench.models import continual as co
from co3d_bench.models.spec import ModelSpec
from co3d_bench.models.zoo import UnknownModelError

sys.path.insert(0, str(Path(__file__).parents[2]))

from small_networks import clip_network


def _spec(name, form, shape, build):
    return ModelSpec(
        name=name,
        title=name.title(),
        family="small",
        form=form,
        input_shape=shape,
        classes=5,
        build=build,
        preprocessing=None,
    )


SPECS = {
    spec.name: spec
    for spec in (
        _spec("small-clip", "clip", (3, 4, 16, 16), clip_network),
        _spec("small-frames", "frame", (3, 16, 16), lambda: co.convert(clip_network(), prove=False)),
    )
}


def find_model(name):
    if name not in SPECS:
        raise UnknownModelError(f"{name}: there are {', '.join(SPECS)}")
    return SPECS[name]
