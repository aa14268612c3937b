"""What is scored so far, film by film, on the disk: whatever is killed, no film is lost or counted twice."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..errors import ENVIRONMENT, UserError
from ..record.case import Case, Frozen
from ..record.store import StoreWarning, append_line, each_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "scoring"


class Scored(Frozen):
    """A film that is done: its scores, or why it cannot be decoded."""

    film: int = Field(ge=0, description="position among the films of the data")
    scores: str | None = Field(
        default=None,
        description="in base64: scores in float16, or of a transient ranks in uint16; None: the film cannot be decoded",
    )
    padded: bool = False
    damage: str = ""
    host: str = Field(default="", description="that scored it; empty: the one whose store this is")

    @classmethod
    def of(cls, film: int, scores: NDArray[np.float16 | np.uint16], padded: bool, damage: str) -> Scored:
        return cls(film=film, scores=base64.b64encode(scores.tobytes()).decode(), padded=padded, damage=damage)

    def row(self, kind: str = "float16") -> NDArray[Any]:
        """Its scores, of a film that has some; `kind`: of numbers, as it was written."""
        import numpy as np

        return np.frombuffer(base64.b64decode(self.scores or ""), kind)


@dataclass(frozen=True)
class Journal:
    """The films of one case of one run. `identity` names all that decides on their scores: what was written by another
    network, or for other films, does not count."""

    file: Path
    identity: str

    def read(self) -> dict[int, Scored]:
        """Those that are done, by position. A torn line is a film that is not."""
        lines: list[dict[str, Any]] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StoreWarning)
                lines = list(each_line(self.file, _parse))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(f"cannot read {self.file}: {error.strerror}", ENVIRONMENT) from error
        if not lines or lines[0].get("identity") != self.identity:
            return {}
        return {line["scored"].film: line["scored"] for line in lines[1:] if "scored" in line}

    def begin(self) -> dict[int, Scored]:
        """The films that are done; a journal of something else is begun anew."""
        done = self.read()
        if not done:
            self.file.unlink(missing_ok=True)
            append_line(self.file, json.dumps({"identity": self.identity}))
        return done

    def add(self, scored: Scored) -> None:
        append_line(self.file, scored.model_dump_json())


def _parse(line: bytes) -> dict[str, Any]:
    found = json.loads(line)
    if isinstance(found, dict) and "identity" in found:
        return found
    return {"scored": Scored.model_validate(found)}


def journal_file(store: str | Path, run_id: str, case: Case) -> Path:
    """Where the films of a case are noted until it has a record."""
    return Path(store) / FOLDER / f"{run_id}-{hashlib.sha256(case.key.encode()).hexdigest()[:12]}.jsonl"


def films_done(store: str | Path, run_id: str, case: Case) -> int:
    """How many films of a case are done, whatever they are."""
    try:
        return max(0, len(journal_file(store, run_id, case).read_bytes().splitlines()) - 1)
    except OSError:
        return 0


def forget(store: str | Path, done: Mapping[Case, str]) -> None:
    """Remove the journals of cases that have a record, in the run of that id."""
    for case, run_id in done.items():
        journal_file(store, run_id, case).unlink(missing_ok=True)
    folder = Path(store) / FOLDER
    if folder.is_dir() and all(each.name == ".gitignore" for each in folder.iterdir()):
        (folder / ".gitignore").unlink(missing_ok=True)
        folder.rmdir()
