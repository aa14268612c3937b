"""Films with labels, from what people have: folders, Kinetics' and Charades' CSV, lists of files.

Kinds are told apart by their content. What is wrong is named by file and line; a film that is not there is no
error, since public sets lose some every year: it is counted and named.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ENVIRONMENT, NOTHING, USAGE, UserError

# What torchvision's DatasetFolder takes for a film, and what the tools that fetch Kinetics write.
ENDINGS = frozenset([".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp", ".ts"])
CHARADES_CLASSES = tuple(f"c{number:03d}" for number in range(157))
_MOST_NAMED = 5

# A film and its label, as SlowFast (space or comma) and MMAction2 (white space) write them. The name may hold spaces.
_LINE = re.compile(r"(?P<file>.+\.\w{2,5})(?:\s*[,\t]\s*|\s+)(?P<label>\S.*)")
_ACTION = re.compile(r"c\d{3}")


@dataclass(frozen=True)
class Film:
    """A film and its labels, as words: names of classes or their positions; of one label, or of any number."""

    file: Path
    name: str  # below its folder, for people
    labels: tuple[str, ...]
    where: str = ""  # file and line that name it


@dataclass(frozen=True)
class Data:
    """The films that are there. `own_classes`: the names that the data itself has, in order; empty where labels are
    positions."""

    name: str
    films: tuple[Film, ...]
    own_classes: tuple[str, ...] = ()
    several: bool = False  # whether a film may have several labels, or none
    missing: tuple[str, ...] = ()  # films that are not there: a line each, for people

    def fingerprint(self) -> str:
        """Names the films, their sizes and their labels: 12 digits in hex. Raises UserError for a film that is gone."""
        digest = hashlib.sha256()
        for film in self.films:
            try:
                size = film.file.stat().st_size
            except OSError as error:
                raise UserError(f"film {film.file}: cannot be read: {error.strerror}", ENVIRONMENT) from error
            digest.update(f"{film.name}\0{size}\0{' '.join(film.labels)}\n".encode())
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class _Entry:
    """A line of a file: where it stands, the names under which its film may lie, its labels."""

    where: str
    names: tuple[str, ...]
    labels: tuple[str, ...]


def read_data(path: Path, films: Path | None = None, limit: int | None = None) -> Data:
    """The films of DATA. `films`: the folder in which they lie, else that of the file. `limit`: so many of them, spread
    evenly, so that each class has its share. Raises UserError."""
    if films is not None and not films.is_dir():
        raise UserError(f"--films {films}: not a folder")
    if not path.exists():
        raise UserError(f"--data {path}: no such file or folder")
    if films is not None and path.is_dir():
        raise UserError(
            f"--films {films}: belongs to a CSV or a list, and --data {path} is a folder, which has its own"
        )
    data = _read_folder(path) if path.is_dir() else _read_file(path, films or path.parent)
    if not data.films:
        named = "\n".join(data.missing[:_MOST_NAMED])
        raise UserError(f"--data {path}: none of its {len(data.missing)} films is there\n{named}", NOTHING)
    if limit is None or limit >= len(data.films):
        return data
    chosen = tuple(data.films[number * len(data.films) // limit] for number in range(limit))
    return Data(data.name, chosen, data.own_classes, data.several, data.missing)


def _read_folder(path: Path) -> Data:
    """A folder of class folders, as torchvision reads it: classes in the order of their names."""
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    films = tuple(
        Film(file, str(file.relative_to(path)), (name,), str(file.relative_to(path)))
        for name in classes
        for file in sorted((path / name).rglob("*"))
        if file.suffix.lower() in ENDINGS and file.is_file()
    )
    if not films:
        raise UserError(f"--data {path}: a folder needs a folder of films for each class ({'/'.join(_EXAMPLE)})")
    return Data(path.resolve().name, films, tuple(classes))


_EXAMPLE = ("CLASS", "film.mp4")


def _read_file(path: Path, folder: Path) -> Data:
    text = _text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    for kind in KINDS:
        if kind.begins(head.lower()):
            return kind.read(path, text, folder)
    raise AssertionError("the last kind takes any file")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"--data {path}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"--data {path}: not a text file in UTF-8 (byte {error.start}); give a list of films"
        ) from error


def _read_kinetics(path: Path, text: str, folder: Path) -> Data:
    entries, wrong = [], []
    for where, row in _rows(path, text):
        label, film = row.get("label", "").strip(), row.get("youtube_id", "").strip()
        try:
            times = [int(float(row.get(name) or "")) for name in ("time_start", "time_end")]
        except (ValueError, OverflowError):
            times = []
        if not label or not film:
            wrong.append(f"{where}: no {'youtube_id' if label else 'label'}")
            continue
        # As the crawler of the ActivityNet repository writes them; other tools by the id alone.
        names = (f"{film}_{times[0]:06d}_{times[1]:06d}",) if times else ()
        entries.append(_Entry(where, (*names, film), (label,)))
    _refuse(path, wrong)
    labels = sorted({label for entry in entries for label in entry.labels})
    return _found(path, entries, _by_stem(folder), tuple(labels))


def _read_charades(path: Path, text: str, folder: Path) -> Data:
    """Video-level labels: whatever is done at some time of the film."""
    entries, wrong = [], []
    for where, row in _rows(path, text):
        film = row.get("id", "").strip()
        actions = [part.split()[0] for part in row.get("actions", "").split(";") if part.strip()]
        unknown = [action for action in actions if action not in CHARADES_CLASSES]
        if not film or unknown:
            wrong.append(f"{where}: {f'{unknown[0]!r} is none of c000 to c156' if unknown else 'no id'}")
            continue
        entries.append(_Entry(where, (film,), tuple(dict.fromkeys(actions))))
    _refuse(path, wrong)
    return _found(path, entries, _by_stem(folder), CHARADES_CLASSES, several=True)


def _read_frame_list(path: Path, text: str, folder: Path) -> Data:
    raise UserError(f"--data {path}: a list of frames, which are not read; give a list of films with their labels")


def _read_list(path: Path, text: str, folder: Path) -> Data:
    entries, wrong = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        if not (found := _LINE.fullmatch(line.strip())):
            wrong.append(f"{where}: {line.strip()[:80]!r} is not a film and its label")
            continue
        entries.append(_Entry(where, (found["file"],), (found["label"].strip(),)))
    _refuse(path, wrong)
    names = sorted({label for entry in entries for label in entry.labels})
    own = () if all(name.isdecimal() for name in names) else tuple(names)
    # `Path.is_file` raises for a name that no file system takes.
    return _found(path, entries, lambda name: [file] if os.path.isfile(file := folder / name) else [], own)  # noqa: PTH113


@dataclass(frozen=True)
class _Kind:
    """A kind of file: how its first line begins, in small letters, and how it is read."""

    begins: Callable[[str], bool]
    read: Callable[[Path, str, Path], Data]


def _columns(*names: str) -> Callable[[str], bool]:
    return lambda head: set(names) <= {word.strip(' "') for word in head.split(",")}


KINDS = (
    _Kind(_columns("youtube_id"), _read_kinetics),
    _Kind(_columns("id", "actions"), _read_charades),
    _Kind(lambda head: head.split()[:2] == ["original_vido_id", "video_id"], _read_frame_list),  # spelled so
    _Kind(lambda head: True, _read_list),
)


def _rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, row) of a CSV with a heading, in small letters."""
    reader = csv.DictReader(text.splitlines(keepends=True), restval="")
    reader.fieldnames = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    try:
        for row in reader:
            row.pop(None, None)  # pyright: ignore[reportArgumentType,reportCallIssue] - what is more than the heading
            yield f"{path.name}, line {reader.line_num}", row
    except csv.Error as error:
        raise UserError(f"--data {path}, line {reader.line_num}: not a line of a CSV: {error}") from error


def _refuse(path: Path, wrong: Sequence[str]) -> None:
    if wrong:
        more = f"\nand {len(wrong) - _MOST_NAMED} more lines" if len(wrong) > _MOST_NAMED else ""
        raise UserError("\n".join((f"--data {path} cannot be read:", *wrong[:_MOST_NAMED])) + more, USAGE)


def _by_stem(folder: Path) -> Callable[[str], list[Path]]:
    """Finds the films of a name without its ending, anywhere below a folder."""
    there: dict[str, list[Path]] = {}
    for top, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            stem, ending = os.path.splitext(file)  # noqa: PTH122 - of hundreds of thousands
            if ending.lower() in ENDINGS:
                there.setdefault(stem, []).append(Path(top, file))
    return lambda name: there.get(name, [])


def _shown(named: str, file: Path) -> str:
    """With the folder that a list has in front of it, since folders of classes hold films of the same name; not with
    that of a machine, which no other one has."""
    folder = Path(named).parent
    return file.name if folder.is_absolute() else str(folder / file.name)


def _found(
    path: Path,
    entries: Sequence[_Entry],
    find: Callable[[str], list[Path]],
    own_classes: tuple[str, ...],
    *,
    several: bool = False,
) -> Data:
    films, missing = [], []
    for entry in entries:
        files = next((found for name in entry.names if (found := find(name))), [])
        if not files:
            missing.append(f"{entry.where}: no film {' or '.join(entry.names)}")
            continue
        if len(files) > 1:  # below folders of classes: the one of its own class
            files = [file for file in files if file.parent.name in entry.labels] or files
        if len(files) > 1:
            raise UserError(f"{entry.where}: two films of that name, {files[0]} and {files[1]}; name the right --films")
        films.append(Film(files[0], _shown(entry.names[0], files[0]), entry.labels, entry.where))
    if not entries:
        raise UserError(f"--data {path}: names no film")
    return Data(path.stem, tuple(films), own_classes, several, tuple(missing))
