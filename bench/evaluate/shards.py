"""Some of the films of a case, scored on another host: `python -m co3d_bench.bench.evaluate.shards FILE`.

The same function scores them as on one host, by the same engine and with the same settings; only which films they are,
and where they lie here, is said by FILE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from ...devices.own_path import python_command
from ...models.zoo import find_model
from ..backends import Runnable
from ..measure.job import EvaluationJob, Event, Job, phase_event
from ..measure.passes import Emit, Subject
from ..measure.worker import serve
from ..record.case import Frozen
from .data import Data, Film
from .journal import Journal, Scored
from .worker import FindModel, Network, ToScore, identity, score_here, verified_case


class ShardFilm(Frozen):
    """A film of a shard."""

    position: int = Field(ge=0, description="among the films of the data")
    name: str = Field(description="as the data has it, by which its dropped frames are drawn")
    file: str = Field(description="below the folder of the films, or absolute where it lies outside")
    size: int = Field(ge=0, description="in bytes")


class Shard(Frozen):
    """The films that a process scores. Their files are absolute paths by then."""

    films: tuple[ShardFilm, ...]
    several: bool = Field(description="whether a film may have several labels, or none")
    journal: str = Field(description="file for what is scored, film by film")
    spent: str = Field(description="file for what it took, once all are")


def films_root(given: EvaluationJob) -> Path:
    """The folder below which the films of a job lie."""
    data = Path(given.data)
    return Path(given.films) if given.films else data if data.is_dir() else data.parent


def shard_films(data: Data, root: Path, positions: Sequence[int]) -> tuple[ShardFilm, ...]:
    """These films as another host is asked for them. Raises OSError for one that is gone."""

    def of(position: int) -> ShardFilm:
        film = data.films[position]
        file = film.file.absolute()
        file = file.relative_to(root) if file.is_relative_to(root) else file
        return ShardFilm(position=position, name=film.name, file=str(file), size=film.file.stat().st_size)

    return tuple(of(position) for position in positions)


def command(file: Path) -> list[str]:
    """The process that scores the shard in that file."""
    return python_command("-m", "co3d_bench.bench.evaluate.shards", str(file))


def shard_case(job: Job, emit: Emit, shard: Shard, find_model: FindModel = find_model) -> Event:
    """One network over the films of a shard; returns the last event. Errors of the network are raised."""

    def begin(job: Job, subject: Subject, emit: Emit) -> Callable[[Runnable], dict[str, Any]]:
        return lambda runnable: _score(job, shard, Network(subject, runnable), emit)

    return verified_case(job, emit, find_model, begin)


def _score(job: Job, shard: Shard, network: Network, emit: Emit) -> dict[str, Any]:
    journal = Journal(Path(shard.journal), identity(job))
    journal.begin()
    films = tuple(Film(Path(each.file), each.name, ()) for each in shard.films)

    def take(scored: Scored) -> None:
        journal.add(scored.model_copy(update={"film": shard.films[scored.film].position}))
        emit(phase_event("scoring", scored.film + 1, len(films)))

    spent = score_here(ToScore(job, Data("", films, several=shard.several), range(len(films)), take), network)
    Path(shard.spent).write_text(spent.model_dump_json())
    return {}


def main(file: str, find_model: FindModel = find_model) -> int:
    """Do the job on standard input, for the films of that file."""
    shard = Shard.model_validate_json(Path(file).read_bytes())
    return serve(partial(shard_case, shard=shard, find_model=find_model))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
