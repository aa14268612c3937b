"""Custom models: `path/to/file.py:factory`, or a factory that an installed package offers.

A factory is called without arguments and returns

- an `nn.Module` with an `input_shape` (without the batch),
- an `nn.Module` and an example of its input: exactly what the network is called with (`example.py`), with a batch of 1
  in front,
- or a whole `ModelSpec`.

A network with `step` and `initial_state` is run frame by frame; any other is called, one prediction for each input.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import os
import re
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import loading, stated
from .inputs import call
from .outputs import describe, tensors_in
from .spec import (
    Form,
    ModelSpec,
    Preprocessing,
    Published,
    PublishedAccuracy,
    Source,
    UnknownModelError,
    is_frame_network,
)

if TYPE_CHECKING:
    from torch import nn

    from .example import Example
    from .inputs import Input

# What a name may not hold: it is a part of the case's key, which is one word with slashes.
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
SEED = 0  # of what a factory draws
_WANTED = "path/to/file.py:factory"
_CLIP_DIMENSIONS = 5  # (B, C, T, H, W)


class CustomModelError(UnknownModelError):
    """A custom model that cannot be built or examined: what happened, where, what to do."""


@dataclass(frozen=True)
class Offer:
    """Something that builds a network, and where it was found."""

    word: str  # as the user wrote it
    name: str  # of its cases
    thing: Any  # the factory, or a ModelSpec
    file: str | None  # where its code is
    source: Source
    code: loading.NetworkCode | None = None  # in this process, once it was opened
    conversion: str | None = None  # how `convert` proved what the factory returns, when it was called before


def is_file(word: str) -> bool:
    """Whether this names a file rather than a network of the zoo."""
    return ":" in word or "/" in word or word.endswith(".py")


def split(word: str) -> tuple[Path, str]:
    """The file and the factory. Raises CustomModelError for any other form."""
    path, colon, factory = word.rpartition(":")
    if not colon:
        wanted = f"{word}:FACTORY" if word.endswith(".py") else _WANTED
        raise CustomModelError(f"{word}: name the factory too: {wanted}")
    if not factory.isidentifier():
        raise CustomModelError(f"{word}: {factory!r} is not the name of a factory; write {_WANTED}")
    if not path.endswith(".py"):
        raise CustomModelError(f"{word}: {path or 'nothing'} is not a Python file (.py); write {_WANTED}")
    return Path(path), factory


def absolute(word: str, folder: Path) -> str:
    """The same reference with an absolute path; a relative one starts in `folder`."""
    path, factory = split(word)
    return f"{os.path.abspath(folder / path.expanduser())}:{factory}"  # noqa: PTH100 - a link keeps its name


def open_file(word: str) -> Offer:
    """The factory that `path/to/file.py:factory` names; runs the file. Raises CustomModelError."""
    path, wanted = split(word)
    file = os.path.abspath(path)  # noqa: PTH100
    try:
        code = Path(file).read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise CustomModelError(f"{word}: {reason}") from error
    module, loaded = _run(word, file, code)
    names = [name for name, value in vars(module).items() if not name.startswith("_") and _defined(value, module)]
    if not hasattr(module, wanted):
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
        there = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'no functions or classes'}"
        raise CustomModelError(f"{word}: {path.name} has no {wanted}; {there}")
    return Offer(word, case_name(word), getattr(module, wanted), file, Source(file=_shown(file)), loaded)


def open_offer(offer: Offer) -> Offer:
    """The same factory of an installed package, about to be called in this process."""
    return replace(offer, code=loading.open_code(offer.file))


def offer_of_package(name: str, thing: Any, package: str) -> Offer:
    """A factory that an installed package offers under `name`."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(thing))
    except TypeError:
        file = None
    return Offer(name, name, thing, file, Source(package=package))


def build(offer: Offer) -> nn.Module:
    """The network, by calling the factory. Raises CustomModelError."""
    return build_with_example(offer)[0]


def build_with_example(offer: Offer) -> tuple[nn.Module, Example]:
    """The network, and an example of its input. Raises CustomModelError."""
    from .continual.conversion.proof import proven_before

    with proven_before(offer.conversion):
        _, net, example = _make(offer)
    _fill_lazy(offer, net, example)
    return net, example


def examine(offer: Offer) -> ModelSpec:
    """The network's spec: builds it and lets it predict once. Raises CustomModelError."""
    import torch

    from .continual.conversion.proof import as_one, noted_proofs

    with torch.random.fork_rng(devices=()), noted_proofs() as proofs:
        torch.manual_seed(SEED)
        spec, net, example = _make(offer)
    offer = replace(offer, conversion=as_one(proofs))
    shown = example.inputs_text or tuple(example.first.shape)
    with torch.inference_mode(), _as_one_line(offer.word, offer.file, f"the network fails on its example {shown}"):
        output = _predict_once(offer, net.eval(), example, example.itself())
    if not tensors_in(output):
        raise CustomModelError(f"{offer.word}: the network returned {describe(output)}, which holds no tensor")
    form = _form(net, example)
    scores = isinstance(output, torch.Tensor) and output.dim() == 2 and len(output) == 1
    found = ModelSpec(
        name=offer.name,
        title=offer.name,
        family="own",
        form=form,
        input_shape=tuple(example.first.shape[1:]),
        inputs=example.inputs_text,
        input_values=_noisy(offer, net, example, output).values_text,
        build_with_example=partial(build_with_example, offer),
        classes=output.shape[1] if scores else None,
        output=None if scores else describe(output),
        build=partial(build, offer),
        preprocessing=_preprocessing(offer, net),
        source=replace(offer.source, sha256=offer.code.sha256() if offer.code else None),
        notes=offer.code.notes if offer.code else tuple,
        **_stated(offer, net, form),
    )
    if spec is None:
        return found
    if (spec.form == "frame") != (form == "frame") or spec.form not in get_args(Form):
        raise CustomModelError(f"{offer.word}: its ModelSpec has form={spec.form!r}, but the network runs as {form!r}")
    return replace(
        spec,
        name=found.name,
        build=found.build,
        build_with_example=found.build_with_example,
        output=found.output,
        source=found.source,
        notes=found.notes,
        published=spec.published or found.published,
        counterpart=spec.counterpart or found.counterpart,
        frame_rate_hz=spec.frame_rate_hz or found.frame_rate_hz,
    )


def _run(word: str, file: str, text: bytes) -> tuple[types.ModuleType, loading.NetworkCode]:
    """The module of a file, and its code. From its text, never from a cache: what is hashed is what runs."""
    from .continual.conversion.proof import noted_proofs

    code = loading.open_code(file)
    with noted_proofs(), _as_one_line(word, file, "cannot be imported"):
        try:
            return loading.run_file(code, file, text), code
        except loading.PackageError as error:
            raise CustomModelError(f"{word}: {error}") from None


def _defined(value: Any, module: types.ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _make(offer: Offer) -> tuple[ModelSpec | None, nn.Module, Example]:
    """What the factory returns: the spec if it is one, the network, and an example of its input."""
    from torch import nn

    from .example import Example

    made = offer.thing
    if isinstance(made, nn.Module) or not (callable(made) or isinstance(made, ModelSpec)):
        raise CustomModelError(
            f"{offer.word}: is {_a(made)}, not a factory; write a function without arguments that returns the network"
        )
    if not isinstance(made, ModelSpec):
        with _as_one_line(offer.word, offer.file, "the factory failed"):
            made = made()
    spec = made if isinstance(made, ModelSpec) else None
    if spec is not None:
        with _as_one_line(offer.word, offer.file, "the ModelSpec's build failed"):
            made = spec.build()
        shape: Any = spec.input_shape
    elif isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        made, example = made
        return None, made, _checked(offer, made, example)
    else:
        shape = getattr(made, "input_shape", None)
    if not isinstance(made, nn.Module):
        raise CustomModelError(
            f"{offer.word}: returned {_a(made)}; a factory returns an nn.Module with input_shape, "
            "an nn.Module and an example input, or a ModelSpec"
        )
    if not isinstance(shape, list | tuple) or not all(type(length) is int and length > 0 for length in shape):
        raise CustomModelError(
            f"{offer.word}: returned {_a(made)} with input_shape={shape!r}; set input_shape, a tuple of whole numbers "
            "without the batch, or return (network, example input)"
        )
    return spec, made, Example.of_shape(tuple(shape))


def _checked(offer: Offer, net: nn.Module, thing: Any) -> Example:
    from .example import ExampleError, read_example

    try:
        return read_example(net, thing)
    except ExampleError as error:
        raise CustomModelError(f"{offer.word}: {error}") from None


def _noisy(offer: Offer, net: Any, example: Example, output: Any) -> Example:
    """The example, fixed where the network fails on noise of its range, or has no finite answer to it."""
    import torch

    if example.by_shape:
        return example
    with torch.inference_mode():
        try:
            found = _predict_once(offer, net, example, example.draw(1, torch.Generator().manual_seed(0)))
        except Exception:  # noqa: BLE001 - whatever the user's code raises there
            return replace(example, fixed=True)
        finite = [all(bool(t.isfinite().all()) for t in tensors_in(each)) for each in (output, found)]
    return replace(example, fixed=finite == [True, False])


def _fill_lazy(offer: Offer, net: Any, example: Example) -> None:
    """Lazy layers have no weights before their first input; weights are loaded and counted before it."""
    import torch
    from torch.nn.parameter import is_lazy

    if any(map(is_lazy, (*net.parameters(), *net.buffers()))):
        with torch.no_grad():
            _predict_once(offer, net.eval(), example, example.itself())


def _predict_once(offer: Offer, net: Any, example: Example, x: Input) -> Any:
    from .example import as_called

    called: Any = as_called(net, example)
    if not is_frame_network(net):
        return call(called, x)
    state = net.initial_state(1)
    _check_state(offer, "initial_state(1)", state)
    answer = called.step(x, state)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise CustomModelError(f"{offer.word}: step returned {_a(answer)}; it must return (scores, next state)")
    _check_state(offer, "step", answer[1])
    field = getattr(net, "receptive_field", None)
    if field is not None and (type(field) is not int or field < 1):
        raise CustomModelError(f"{offer.word}: receptive_field is {field!r}; it must be a number of frames, at least 1")
    return answer[0]


def _check_state(offer: Offer, what: str, state: Any) -> None:
    import torch

    if not isinstance(state, tuple) or not all(isinstance(part, torch.Tensor) for part in state):
        hint = "write (state,)" if isinstance(state, torch.Tensor) else "write (a, b)"
        raise CustomModelError(
            f"{offer.word}: {what} returned {_a(state)} as the state; it must be a tuple of tensors: {hint}"
        )


def _form(net: Any, example: Example) -> Form:
    if is_frame_network(net):
        return "frame"
    return "clip" if example.first.dim() == _CLIP_DIMENSIONS else "input"


def _preprocessing(offer: Offer, net: Any) -> Preprocessing | None:
    found = getattr(net, "preprocessing", None)
    if found is not None and not isinstance(found, Preprocessing):
        raise CustomModelError(
            f"{offer.word}: preprocessing is {_a(found)}, not a co3d_bench.models.spec.Preprocessing"
        )
    return found


def _stated(offer: Offer, net: Any, form: Form) -> dict[str, Any]:
    """What the network's attributes state of it, as fields of a ModelSpec."""
    values = stated.of_module(net)
    for key, why in stated.complaints(values, form):
        raise CustomModelError(f"{offer.word}: {key}: {why}")
    return as_fields(values, f"stated in {offer.source.file or offer.source.package}", offer.name)


def as_fields(values: Mapping[str, Any], source: str, name: str) -> dict[str, Any]:
    """Right values of `stated.FACTS`, of the network of that name, as fields of a ModelSpec."""
    fields = {key: values[key] for key in ("frame_rate_hz", "counterpart") if key in values}
    if "accuracy_top1" in values:
        rate, view = values.get("accuracy_frames_per_s"), values.get("accuracy_view")
        accuracy = PublishedAccuracy(values["accuracy_top1"], rate, view, source)
        fields["published"] = Published(source, accuracy.top1, (accuracy,))
    if (word := fields.get("counterpart")) is not None:
        file = name.rpartition(":")[0]
        fields["counterpart"] = f"{file}:{word}" if file and word.isidentifier() else case_name(word)
    return fields


def case_name(word: str) -> str:
    """How cases name a network: a file by its own name, without its folder."""
    if not is_file(word):
        return word
    path, _, factory = word.rpartition(":")
    return f"{UNSAFE.sub('_', Path(path).name)}:{UNSAFE.sub('_', factory)}"


def _a(thing: Any) -> str:
    """What a thing is, in words that stay on one line."""
    if isinstance(thing, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in thing) or 'nothing'}"
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


@contextlib.contextmanager
def _as_one_line(word: str, file: str | None, what: str) -> Iterator[None]:
    """Run the user's code. Whatever it raises becomes one line with its line number; what it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr), loading.entered(file):
            yield
    except CustomModelError:
        raise
    except (Exception, SystemExit) as error:
        raise CustomModelError(f"{word}: {what}: {_line(error, file)}{_words(error)}{_remedy(error, file)}") from error


def _line(error: BaseException, file: str | None) -> str:
    names = {file, file and os.path.realpath(file)}
    if isinstance(error, SyntaxError) and error.filename in names:
        return f"line {error.lineno}: "
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in names]
    return f"line {lines[-1]}: " if lines else ""


def _words(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _remedy(error: BaseException, file: str | None) -> str:
    """What else people should know of some errors."""
    if isinstance(error, SystemExit):
        return " (it ends the program, as sys.exit and argparse do; it is run without options: give each a default)"
    code = loading.current()
    if file is None or code is None:
        return ""
    if put_back := [code.changed[name] for name in ("default dtype", "default device") if name in code.changed]:
        return f" ({'; '.join(put_back)})"
    if not isinstance(error, ImportError | AttributeError):
        return ""
    if code.hidden:
        return f" ({', '.join(code.hidden)} beside it is not imported, since a library has that name: rename it)"
    if isinstance(error, ModuleNotFoundError):
        return f" (looked for in {' and '.join(code.folders)}, and among installed packages)"
    return ""


def _shown(file: str) -> str:
    """The path as people write it here: relative where the file lies below the current folder."""
    here = loading.current_folder()
    return str(Path(file).relative_to(here)) if here and Path(file).is_relative_to(here) else file
