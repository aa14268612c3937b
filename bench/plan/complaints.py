"""What pydantic found wrong, as lines for people: file, key, value, what is allowed, the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

# pydantic's kind of error -> our sentence, filled from its context; others keep pydantic's words.
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
    "model_type": "must be a table, like [{name}]",
    "missing": "missing, and it has no default",
}


def complaints(error: ValidationError, model: type[BaseModel], label: str, flags: Mapping[str, str]) -> Iterator[str]:
    """One line for each thing that is wrong; `flags` maps dotted keys to the flag that set them."""
    merged: dict[str, list[str]] = {}
    # A key that is missing because it is misspelt is named once, with the misspelling.
    misspelt = {
        (*found["loc"][:-1], near)
        for found in error.errors()
        if found["type"] == "extra_forbidden" and (near := _near(str(found["loc"][-1]), _keys(model, found["loc"])))
    }
    for found in error.errors():
        if found["type"] == "missing" and found["loc"] in misspelt:
            continue
        place = _place(found["loc"])
        key = _dotted(place)
        flag = flags.get(".".join(str(part) for part in place[:2]))
        head = flag if flag else f"{label}: {key}"
        value = "" if found["type"] in ("missing", "extra_forbidden") else f" = {found['input']!r}"
        merged.setdefault(head + value, []).append(_sentence(found, model, place))
    for head, sentences in merged.items():
        # A value that may be one of several types is named once, with all of them.
        yield f"{head}: {', or '.join(dict.fromkeys(sentences))}"


def nearest(word: str, allowed: list[str]) -> str:
    """`did you mean X?` if something is near, else what there is."""
    near = _near(word, allowed)
    return f"did you mean {near}?" if near else f"there are {', '.join(allowed)}"


def _near(word: str, allowed: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word.lower(), allowed, n=1, cutoff=0.6)), None)


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """What the user wrote of pydantic's location: section, key, index. It adds names of union members behind."""
    return location[:2] + tuple(part for part in location[2:] if isinstance(part, int))


def _dotted(place: tuple[int | str, ...]) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(found: Any, model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    if found["type"] == "extra_forbidden":
        return f"unknown key; {nearest(str(place[-1]), _keys(model, place))}"
    sentence = SENTENCES.get(found["type"])
    if sentence is None:
        return found["msg"].removeprefix("Input ").removeprefix("Value error, ")
    limits = {
        key: f"{value:.15g}" if isinstance(value, float) else value for key, value in found.get("ctx", {}).items()
    }
    return sentence.format(**limits, name=place[-1] if place else "")


def _keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys of the table that `place` is in."""
    for part in place[:-1]:
        inner = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)
