"""Custom models: networks that only a call of their factory describes, asked in a process of their own.

`python -m co3d_bench custom-model REFERENCE WORD`: so the parent, which is up while we measure, never loads torch or
anything of the user's code, and a factory that prints, hangs or crashes is one line like any other mistake.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...models import custom
from ...models.custom import CustomModelError
from ...models.spec import ModelSpec, Preprocessing, Published, Source, UnknownModelError
from ...models.zoo import find_model, find_offer, is_offered
from ..record.case import Frozen
from ..record.facts import model_facts
from ..record.record import ModelFacts, Record

TIMEOUT_S = 300.0
COMMAND = ("-m", "co3d_bench", "custom-model")


class CustomModel(Frozen):
    """Such a network: where its factory is, and what is known of it since it was called once."""

    reference: str  # absolute path:factory, or the name of an entry point
    facts: ModelFacts
    preprocessing: Preprocessing | None = None

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
            published=Published(**facts.published.model_dump()) if facts.published else None,
            counterpart=facts.counterpart,
            frame_rate_hz=facts.frame_rate_hz,
            extends=facts.extends,
            output=facts.output,
            inputs=facts.inputs,
            input_values=facts.input_values,
            source=Source(**facts.source.model_dump()) if facts.source else None,
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
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
            [python, *command, reference, word],
            capture_output=True,
            env={**os.environ, **(environment or {})},
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CustomModelError(f"{word}: did not build and predict once within {TIMEOUT_S:g} s") from None
    try:
        answer = _Answer.model_validate_json(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise CustomModelError(f"{word}: its code ended the process ({how}): {said[0]}") from None
    if answer.own is None:
        raise CustomModelError(answer.wrong or f"{word}: cannot be built")
    return answer.own


def same_code(record: Record, model: CustomModel | None) -> bool:
    """Whether a record is of the code that is there now: an edited file is measured again."""
    was = record.model.source if record.model else None
    return model is None or was == model.facts.source


def load_code(model: CustomModel) -> ModelSpec:
    """The network as it was described, its code loaded, so that `build` does nothing but build.

    Raises CustomModelError, also where the code is no longer the one that was described.
    """
    offer = _offer(model)
    return replace(
        model.spec(), build=partial(custom.build, offer), build_with_example=partial(custom.build_with_example, offer)
    )


def main(reference: str, word: str) -> int:
    """Describe one network on standard output, where nothing that its code prints can come between."""
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        spec = find_model(reference)
        answer = _Answer(
            own=CustomModel(reference=reference, facts=model_facts(spec), preprocessing=spec.preprocessing)
        )
    except UnknownModelError as error:
        answer = _Answer(wrong=str(error).replace(reference, word, 1))
    with os.fdopen(channel, "wb") as out:
        out.write(answer.model_dump_json().encode())
    return 0


def _offer(model: CustomModel) -> custom.Offer:
    offer = find_offer(model.reference)
    if offer is None:
        raise CustomModelError(f"{model.reference}: no longer offered by any package")
    was = model.facts.source.sha256 if model.facts.source else None
    if offer.source.sha256 != was:
        raise CustomModelError(f"{model.facts.name}: the file changed during the run; run again")
    return offer


def _build(model: CustomModel) -> Any:
    return custom.build(_offer(model))
