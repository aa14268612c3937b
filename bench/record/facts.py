"""A network's entry in a record, from its row in the zoo and, once built, from the network itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ...models import spec as models
from ...models.spec import ModelSpec
from .case import WeightsFile
from .record import ModelFacts, ModelSource, Published, PublishedAccuracy

if TYPE_CHECKING:
    from ...models.continual.conversion import Conversion

# In frames; an assumption, so the record has a note of it.
ASSUMED_RECEPTIVE_FIELD = 64


def model_facts(spec: ModelSpec, net: Any = None, weights: WeightsFile | None = None) -> ModelFacts:
    """The facts of a network. Receptive field, padding and delay need the built `net`; `weights` is the loaded file."""
    return ModelFacts(
        name=spec.name,
        family=spec.family,
        form=spec.form,
        title=spec.title,
        input_shape=spec.input_shape,
        inputs=spec.inputs,
        input_values=spec.input_values,
        classes=spec.classes,
        output=spec.output,
        receptive_field=_frames(net, "receptive_field"),
        padding=_frames(net, "padding"),
        delay=_frames(net, "delay"),
        counterpart=spec.counterpart,
        conversion=conversion.proof if (conversion := conversion_of(net)) else None,
        frame_rate_hz=spec.frame_rate_hz,
        extends=spec.extends,
        trained_frames_per_s=spec.preprocessing.frames_per_s if spec.preprocessing else None,
        published=_published(spec),
        **{**_origin(spec), **({"weights": weights.text} if weights else {})},
    )


def published_facts(published: models.Published) -> Published:
    """A network's published figures as a record holds them."""
    return Published(**asdict(published))


def published_spec(published: Published) -> models.Published:
    """What `published_facts` was made from."""
    accuracies = tuple(models.PublishedAccuracy(**each.model_dump()) for each in published.accuracies)
    return models.Published(**{**published.model_dump(exclude={"accuracies"}), "accuracies": accuracies})


def _published(spec: ModelSpec) -> Published | None:
    if spec.published is None:
        return None
    found = published_facts(spec.published)
    if found.accuracy_top1 is None:
        return found
    stated = found.accuracies or (PublishedAccuracy(top1=found.accuracy_top1, source=found.source),)
    if spec.source and spec.preprocessing:
        # An author's accuracy is that of the author's own preprocessing, where no other rate is stated.
        rate = spec.preprocessing.frames_per_s
        stated = tuple(each if each.frames_per_s else each.model_copy(update={"frames_per_s": rate}) for each in stated)
    return found.model_copy(update={"accuracies": stated})


def conversion_of(net: Any) -> Conversion | None:
    """What `convert` tells of the network it made, or of those that are parts of this one; None for others."""
    parts: list[Any] = [getattr(part, "conversion", None) for part in (net.modules() if net is not None else ())]
    found = [one for one in parts if hasattr(one, "proof") and hasattr(one, "differences")]
    if len(found) < 2:
        return found[0] if found else None
    proofs, differences = (one.proof for one in found), (text for one in found for text in one.differences)
    return replace(found[0], proof="; ".join(dict.fromkeys(proofs)), differences=tuple(dict.fromkeys(differences)))


def receptive_field_of(net: Any) -> int:
    """The receptive field in frames; `ASSUMED_RECEPTIVE_FIELD` where the network has none."""
    return _frames(net, "receptive_field") or ASSUMED_RECEPTIVE_FIELD


def has_receptive_field(net: Any) -> bool:
    """Whether a network has the attribute `receptive_field`, in frames."""
    return _frames(net, "receptive_field") is not None


def assumptions(spec: ModelSpec, net: Any) -> tuple[str, ...]:
    """Notes: what its code did that a reader should know, and where the receptive field was assumed."""
    if spec.form != "frame" or has_receptive_field(net):
        return spec.notes()
    return (*spec.notes(), f"the network has no receptive_field: {ASSUMED_RECEPTIVE_FIELD} frames were assumed")


def _frames(net: Any, name: str) -> int | None:
    """A number of frames; None where the attribute is missing or of another type, as in custom networks."""
    value = getattr(net, name, None)
    return value if type(value) is int else None


def _origin(spec: ModelSpec) -> dict[str, Any]:
    """The source and weights of a custom network; empty for ours."""
    if spec.source is None:
        return {}
    source = ModelSource(**asdict(spec.source))
    return {"source": source, "weights": "as its factory makes them, torch seeded"}
