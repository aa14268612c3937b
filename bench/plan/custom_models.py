"""Custom models: networks that only a call of their factory describes, asked in a process of their own.

`python -m co3d_bench custom-model REFERENCE WORD`: so the parent, which is up while we measure, never loads torch or
anything of the user's code, and a factory that prints, hangs or crashes is one line like any other mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from ...devices.own_path import python_command
from ...devices.processes import Channel, Guarded, run_guarded
from ...models import custom, loading
from ...models.custom import CustomModelError
from ...models.spec import ModelSpec, Preprocessing, Source, UnknownModelError
from ...models.zoo import find_model, find_offer, is_offered
from ..record.case import Frozen
from ..record.environment import read_checkout
from ..record.facts import model_facts, published_spec
from ..record.record import ModelFacts, Record

TIMEOUT_S = 300.0
COMMAND = ("-m", "co3d_bench", "custom-model")


class CustomModel(Frozen):
    """Such a network: where its factory is, and what is known of it since it was called once."""

    reference: str  # absolute path:factory, or the name of an entry point
    facts: ModelFacts
    preprocessing: Preprocessing | None = None
    modules: dict[str, str] = Field(default={}, description="sha256 of each of its modules, by path in its repository")
    notes: tuple[str, ...] = Field(default=(), description="for its records")

    def spec(self) -> ModelSpec:
        """The network as the zoo would describe it; `build` calls the factory."""
        facts = self.facts
        return ModelSpec(
            name=facts.name,
            title=facts.title,
            family=facts.family,
            form=facts.form,
            input_shape=facts.input_shape,
            classes=facts.classes,
            build=partial(_build, self),
            preprocessing=self.preprocessing,
            published=published_spec(facts.published) if facts.published else None,
            counterpart=facts.counterpart,
            frame_rate_hz=facts.frame_rate_hz,
            extends=facts.extends,
            output=facts.output,
            inputs=facts.inputs,
            input_values=facts.input_values,
            source=Source(**facts.source.model_dump()) if facts.source else None,
            notes=partial(_notes_of_code, self),
        )


class _Answer(Frozen):
    own: CustomModel | None = None
    wrong: str | None = None


def is_custom(word: str) -> bool:
    """Whether `describe_custom` is needed to know this network."""
    return custom.is_file(word) or is_offered(word)


def describe_custom(
    word: str,
    folder: Path,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> CustomModel:
    """What is known of that network; a relative path starts in `folder`. Raises CustomModelError.

    It is asked by that interpreter with these variables beside its own; `command` differs in older versions.
    """
    reference = custom.absolute(word, folder) if custom.is_file(word) else word
    environment = {"PYTHONSAFEPATH": "1", **(environment or {})}  # its own path of imports is `models/loading.py`
    output = bytearray()
    ended = run_guarded(
        Guarded(python_command(*command, reference, word, python=python), environment=environment, timeout_s=TIMEOUT_S),
        output.extend,
        answered=lambda: b"\n" in output,
    )
    if ended.timed_out:
        raise CustomModelError(f"{word}: did not build and predict once within {TIMEOUT_S:g} s")
    try:
        answer = _Answer.model_validate_json(output)
    except ValueError:
        said = ended.errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
        raise CustomModelError(f"{word}: its code ended the process ({how}): {said[0]}") from None
    if answer.own is None:
        raise CustomModelError(answer.wrong or f"{word}: cannot be built")
    return answer.own


def same_code(record: Record, model: CustomModel | None) -> bool:
    """Whether a record is of the code that is there now: an edited file is measured again, in whatever folder or commit
    it is."""
    was = record.model.source if record.model else None
    now = model.facts.source if model else None
    return model is None or (was and (was.sha256, was.package)) == (now and (now.sha256, now.package))


def load_code(model: CustomModel) -> ModelSpec:
    """The network as it was described, its code loaded, so that `build` does nothing but build.

    Raises CustomModelError, also where the code is no longer the one that was described.
    """
    offer = _offer(model)
    return replace(
        model.spec(), build=partial(custom.build, offer), build_with_example=partial(custom.build_with_example, offer)
    )


def check_code(model: CustomModel | None) -> None:
    """Raises CustomModelError where this process runs another text of one of the network's modules than was described.
    A module that was not loaded then may be: another engine needs more of them."""
    code = loading.current()
    if model is None or code is None:
        return
    changed = [name for name, text in code.modules().items() if model.modules.get(name, text) != text]
    if changed:
        files = ", ".join("the file" if name == code.name else name for name in sorted(changed))
        raise CustomModelError(f"{model.facts.name}: {files} changed during the run; run again")


def main(reference: str, word: str) -> int:
    """Describe one network on standard output, where nothing that its code prints can come between."""
    channel = Channel()
    try:
        answer = _Answer(own=_described(reference))
    except UnknownModelError as error:
        answer = _Answer(wrong=str(error).replace(reference, word, 1))
    channel.send(answer.model_dump_json().encode() + b"\n")
    return 0


def _described(reference: str) -> CustomModel:
    """The network, by running its code in this process. Raises UnknownModelError."""
    from ...models.continual.conversion.proof import as_one, noted_proofs

    with noted_proofs() as proofs:
        spec = find_model(reference)
    facts = model_facts(spec).model_copy(update={"conversion": as_one(proofs)})
    code = loading.current()
    modules, notes = code.modules() if code else {}, ()
    if code and code.repository and modules and facts.source:
        inside = tuple(name for name in modules if (code.repository / name).is_file())  # not of the current folder
        checkout = read_checkout(code.repository, inside)
        source = facts.source.model_copy(update={"git_commit": checkout.commit, "git_dirty": checkout.dirty})
        facts = facts.model_copy(update={"source": source})
        if checkout.refused:
            notes = (f"the commit of {code.repository} is not known: {checkout.refused}",)
    return CustomModel(reference=reference, facts=facts, preprocessing=spec.preprocessing, modules=modules, notes=notes)


def _notes_of_code(model: CustomModel) -> tuple[str, ...]:
    """Notes for a record of it: those of its description, and what its code did in this process."""
    code = loading.current()
    return (*model.notes, *(code.notes() if code else ()))


def _offer(model: CustomModel) -> custom.Offer:
    """Its factory. What `convert` proved of this code when it was described is not proven once more."""
    from ...models.continual.conversion.proof import proven_before

    with proven_before(model.facts.conversion):  # a file may convert before its factory is called
        offer = find_offer(model.reference)
    if offer is None:
        raise CustomModelError(f"{model.reference}: no longer offered by any package")
    check_code(model)
    return replace(offer, conversion=model.facts.conversion)


def _build(model: CustomModel) -> Any:
    return custom.build(_offer(model))
