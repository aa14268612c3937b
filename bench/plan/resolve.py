"""A config resolved against this machine. Of all steps from bench.toml to the plan, only this one looks at it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...devices.profile import AUTO, DeviceProfile
from ...models.custom import as_fields
from ...models.spec import ModelSpec, UnknownModelError
from ...models.stated import complaints
from ..errors import UserError
from ..record.facts import published_facts
from .catalog import Catalog
from .config import Config, Origin, Override, check_config, read_config
from .custom_models import CustomModel
from .locate import auto_note, check_here, find_auto


@dataclass(frozen=True)
class Resolved(Config):
    """A config with a plan of names only: every device is here or at a host, every custom model was built once."""

    custom: Mapping[str, CustomModel] = field(default_factory=dict)  # by name

    @property
    def profiles(self) -> Mapping[str, DeviceProfile]:
        """Every device there is, by name."""
        return self.catalog.devices

    def spec(self, model: str) -> ModelSpec:
        """The ModelSpec of a network of the plan."""
        return self.custom[model].spec() if model in self.custom else self.catalog.find_model(model)


def load_config(
    path: Path | None = None, overrides: Mapping[str, Override] | None = None, catalog: Catalog | None = None
) -> Resolved:
    """A bench.toml read (see `read_config`) and resolved. Raises UserError."""
    return resolve(read_config(path, overrides, catalog))


def make_config(table: Mapping[str, Any], catalog: Catalog | None = None) -> Resolved:
    """The same from a dict laid out like bench.toml, for Python callers. Raises UserError."""
    return resolve(check_config(table, Origin("config", Path.cwd()), catalog or Catalog()))


def resolve(config: Config, elsewhere: Collection[str] = ()) -> Resolved:
    """Find out which device this machine is, if the plan needs it, and describe each custom model. Devices that are
    `elsewhere`, at the boards of a fleet, are not looked for here.

    Raises UserError for a device that is neither here nor has a host, and for custom models that cannot be built.
    """
    devices, notes = _devices(config, elsewhere)
    models, custom, wrong = _models(config)
    plan = config.plan.model_copy(update={"devices": devices, "models": models})
    resolved = Resolved(
        config.run,
        plan,
        config.input,
        config.origin,
        config.catalog,
        (*notes, *config.notes),
        config.camera,
        config.stated,
        config.evaluate,
        config.transient,
        config.fleet,
        custom,
    )
    if config.input.kind == "video" and not wrong:
        specs = map(resolved.spec, models)
        wrong = [("input.file", why) for spec in specs if (why := spec.not_watchable())]
    if wrong:
        raise UserError("\n".join(f"{config.origin.where(key)}: {message}" for key, message in wrong))
    return resolved


def _devices(config: Config, elsewhere: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The plan's devices with `auto` replaced by this machine's profile, and notes."""
    profiles = config.catalog.devices
    named = [profiles[word] for word in config.plan.devices if word != AUTO and word not in elsewhere]
    # The generic profile fits any machine; a board at a host is checked when it is reached.
    here = [profile for profile in named if profile.host is None and not profile.recognise.any_machine]
    is_auto = AUTO in config.plan.devices
    if not here and not is_auto:
        return config.plan.devices, ()
    hardware = config.catalog.read_hardware()
    check_here(here, hardware, profiles.values())
    if not is_auto:
        return config.plan.devices, ()
    found = find_auto(profiles.values(), hardware)
    words = (found.profile.name if word == AUTO else word for word in config.plan.devices)
    return tuple(dict.fromkeys(words)), (auto_note(found),)


def _models(config: Config) -> tuple[tuple[str, ...], dict[str, CustomModel], list[tuple[str, str]]]:
    """The plan's networks by their names, the custom ones among them, and (key, message) of mistakes."""
    models: list[str] = []
    custom: dict[str, CustomModel] = {}
    wrong = []
    for word in config.plan.models:
        if not config.catalog.is_custom(word):
            models.append(word)
            continue
        try:
            described = config.catalog.describe_custom(word, config.origin.base("plan.models"))
        except UnknownModelError as error:
            wrong.append(("plan.models", str(error)))
            continue
        name = described.facts.name
        wrong += _wrong_facts(config, described)
        described = _with_stated(config, described)
        first = custom.setdefault(name, described)
        if first.reference != described.reference:
            why = f"{word}: {first.reference} has the same name, {name}; rename one of the files"
            wrong.append(("plan.models", why))
        models.append(name)
    return tuple(models), custom, wrong


def _with_stated(config: Config, model: CustomModel) -> CustomModel:
    """The model with what bench.toml states of it; that wins over the file's own attributes."""
    name = model.facts.name
    fields = as_fields(config.stated.get(name, {}), f"stated in {config.source}", name)
    if published := fields.get("published"):
        fields["published"] = published_facts(published)
    return model.model_copy(update={"facts": model.facts.model_copy(update=fields)})


def _wrong_facts(config: Config, model: CustomModel) -> list[tuple[str, str]]:
    """Statements that do not fit the network; a counterpart of the zoo must be there."""
    name, form = model.facts.name, model.facts.form
    stated = config.stated.get(name, {})
    wrong = [(f'models."{name}".{key}', why) for key, why in complaints(stated, form)]
    for word in (stated.get("counterpart"), model.facts.counterpart):
        if word and ":" not in word and not (word.isidentifier() and ":" in name):
            try:
                config.catalog.find_model(word)
            except UnknownModelError as error:
                wrong.append((f"{name}: counterpart", str(error)))
    return wrong
