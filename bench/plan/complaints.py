"""pydantic's errors as lines for people: file, key, value, what is allowed, the nearest correct word."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

# pydantic's error type -> our sentence, with values of its context; other types keep pydantic's message.
SENTENCES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be one line of text, without control characters",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "string_unicode": "is not text in UTF-8: rename the file, or set LC_ALL=C.UTF-8",
    "model_type": "must be a table, like [{name}]",
}


def complaints(error: ValidationError, model: type[BaseModel], label: str, flags: Mapping[str, str]) -> Iterator[str]:
    """One line for each mistake; `flags` maps dotted keys to the flag that set them."""
    merged: dict[str, list[str]] = {}
    for each in error.errors():
        path = _written_part(each["loc"])
        key = _dotted(path)
        flag = flags.get(".".join(str(part) for part in path[:2]))
        head = flag if flag else f"{label}: {key}"
        value = "" if each["type"] == "extra_forbidden" else f" = {each['input']!r}"
        merged.setdefault(head + value, []).append(_sentence(each, model, path))
    for head, sentences in merged.items():
        # A value that may have one of several types is reported once, with all of them.
        yield f"{head}: {', or '.join(dict.fromkeys(sentences))}"


def nearest(word: str, allowed: list[str]) -> str:
    """`did you mean X?` if a word is near, else the list of words."""
    near = _near(word, allowed)
    return f"did you mean {near}?" if near else f"there are {', '.join(allowed)}"


def _near(word: str, allowed: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word.lower(), allowed, n=1, cutoff=0.6)), None)


def _written_part(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The part of pydantic's location that the user wrote: section, key, index; names of union members are cut."""
    return location[:2] + tuple(part for part in location[2:] if isinstance(part, int))


def _dotted(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(each: Any, model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    if each["type"] == "extra_forbidden":
        return f"unknown key; {nearest(str(path[-1]), _keys(model, path))}"
    sentence = SENTENCES.get(each["type"])
    if sentence is None:
        return each["msg"].removeprefix("Input ").removeprefix("Value error, ")
    limits = {key: f"{value:.15g}" if isinstance(value, float) else value for key, value in each.get("ctx", {}).items()}
    return sentence.format(**limits, name=path[-1] if path else "")


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys of the table that `path` is in."""
    for part in path[:-1]:
        inner = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)
