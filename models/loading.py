"""Runs the file of a custom model as `python path/to/file.py` would, in every verb and process alike.

Its folder comes first on Python's path, and what `-m` would find in the current folder last. Two things differ from
Python: no file of these folders replaces a module of the standard library or a package that co3d-bench needs, and the
text of each file is run, never a cache, so that what is hashed is what runs.

Imports are the whole process's, so it holds the code of one network at a time: opening the next forgets the modules of
the one before.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import re
import sys
import sysconfig
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

from .torch_state import watched

_PACKAGES = {"site-packages", "dist-packages"}  # folders into which packages are installed
_OURS = __name__.partition(".")[0]
# No neighbour may replace these packages, nor those that they require: co3d-bench loads them while it measures.
_NEEDED = ("co3d-bench", "torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "openvino", "tensorrt")
# What packages install by mistake (nvidia-ml-py an `example`), and nobody imports from there.
_BY_MISTAKE = {"benchmarks", "docs", "example", "examples", "scripts", "test", "tests", "tools", "utils"}


class PackageError(Exception):
    """A file with relative imports that is in no package: why, and what to do."""


class NetworkCode:
    """The code of one network in this process: finds its imports, remembers what was run and what that changed."""

    def __init__(self, file: str | None) -> None:
        self.file = file and os.path.realpath(file)
        folder = Path(self.file).parent if self.file else None
        self.repository = folder and (repository_of(folder) or folder)
        self.here = current_folder()
        self.ran: dict[str, str] = {}  # file -> sha256 of the text that ran
        self.changed: dict[str, str] = {}  # setting of torch -> note
        self._asked: set[str] = set()  # top-level modules that its files import
        self._package: str | None = None  # that holds the file, if it has relative imports
        self._before = tuple(sys.path[1:] if _begins_with_current_folder() else sys.path)
        self._accidental = sys.path[: len(sys.path) - len(self._before)]
        self._added: list[str] = []
        self._found: set[str] = set()

    # Finding modules

    def begin(self, folder: Path, package: str | None = None) -> None:
        """Imports of this process are looked for in `folder` first, and in the current folder last."""
        self._package = package
        self._added = [str(folder), *([] if self.here in ("", str(folder), *self._before) else [self.here])]
        sys.path[:] = [str(folder), *self._before, *self._added[1:]]
        sys.meta_path.insert(0, self)
        importlib.invalidate_caches()

    def end(self) -> None:
        """Forget its modules; the paths are as they were before."""
        with suppress(ValueError):
            sys.meta_path.remove(self)
        for each in self._added:
            with suppress(ValueError):
                sys.path.remove(each)
        if self._added:
            sys.path[:0] = self._accidental
        for name in [name for name in sys.modules if name.partition(".")[0] in self._found]:
            del sys.modules[name]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of the import system: what `import name` loads."""
        spec = _search(self, name, path, target) if path is not None else self._top_level(name, target)
        if spec is None or spec.origin is None or not self._is_own(name, spec.origin, self._roots()):
            return spec
        if path is None:
            self.hold(name)
        if type(spec.loader) is SourceFileLoader:
            spec.loader = _AsWritten(name, spec.origin, self)
        return spec

    def _top_level(self, name: str, target: types.ModuleType | None) -> ModuleSpec | None:
        if name == self._package:
            return self._namespace(name, PathFinder.find_spec(name, self._added[:1]))
        last = self._added[1:]
        ahead = sys.path[::-1]
        for each in last:  # where we put it, and not where the file itself may have put it
            with suppress(ValueError):
                ahead.remove(each)
        found = _search(self, name, ahead[::-1], target)
        if found is None:  # also a folder without __init__.py comes before the current folder
            return self._namespace(name, PathFinder.find_spec(name, last))
        if _is_regular(found) and not self._lies_in(found, self._before) and is_protected(name):
            library = _search(self, name, self._before, target)
            return library if _is_regular(library) else found
        return self._namespace(name, found)

    def _namespace(self, name: str, spec: ModuleSpec | None) -> ModuleSpec | None:
        """A package of the network's without __init__.py stays where it was found, however the path changes."""
        if spec is not None and not _is_regular(spec):
            folders = list(spec.submodule_search_locations or ())
            if any(self._is_own(name, folder, self._roots()) for folder in folders):
                spec.submodule_search_locations = folders
                self.hold(name)
        return spec

    @staticmethod
    def _lies_in(spec: ModuleSpec, folders: Sequence[str]) -> bool:
        """Whether a top-level module lies right in one of these folders, or is in none, as those built in."""
        where = Path(spec.origin or "")
        home = where.parent.parent if spec.submodule_search_locations is not None else where.parent
        return not where.is_absolute() or str(home) in {os.path.abspath(each) for each in folders}  # noqa: PTH100

    @property
    def folders(self) -> tuple[str, ...]:
        """Where imports are looked for, besides Python's own path."""
        return tuple(dict.fromkeys((*self._added[:1], *filter(None, [self.here]))))

    # What was run

    def remember(self, file: str, text: bytes) -> None:
        """This text is about to run."""
        self.ran[file] = hashlib.sha256(text).hexdigest()
        with suppress(SyntaxError, ValueError):
            self._asked |= set(_absolute_imports(ast.parse(text)))

    def modules(self) -> dict[str, str]:
        """The sha256 of each file of the network's repository that runs in this process, by its path in there.

        Without the standard library, installed packages and co3d-bench. Of what was not run from a text that is here
        (compiled extensions, what was loaded before) it is that of the file now.
        """
        named = ((name, _file_of(module)) for name, module in list(sys.modules.items()))
        files = {file for name, file in named if file and self._is_own(name, file, self._lasting())}
        found = {}
        for file in {*files, *self.ran}:
            with suppress(OSError):
                found[self._inside(file)] = self.ran.get(file) or _sha256(Path(file).read_bytes())
        return found

    @property
    def name(self) -> str | None:
        """The network's file, by its path in its repository."""
        return self.file and self._inside(self.file)

    def sha256(self) -> str | None:
        """Of the network's file; where it loads other modules of its repository, of the list of all of them, as
        `sha256sum` prints it, sorted by path. None for an installed package."""
        found = self.modules()
        if len(found) < 2:
            return next(iter(found.values()), None)
        return _sha256("".join(f"{found[name]}  {name}\n" for name in sorted(found)).encode())

    def hold(self, name: str) -> None:
        """This top-level module is the network's, to be forgotten with it."""
        self._found.add(name)

    @staticmethod
    def _is_own(name: str, file: str, roots: Sequence[str]) -> bool:
        """Whether a module lies below one of these folders, and is neither installed nor ours."""
        if name.partition(".")[0] == _OURS or not os.path.isabs(file):  # noqa: PTH117
            return False
        return any(is_below(path, root) and not is_installed(path, root) for path in _ways(file) for root in roots)

    def _lasting(self) -> tuple[str, ...]:
        """The folders whose modules are all the network's: its repository, or its folder; of its package the top."""
        return tuple(filter(None, (self.repository and str(self.repository), self._package and self._added[0])))

    def _roots(self) -> tuple[str, ...]:
        """The folders of which every module that is imported now is the network's: the current folder as well."""
        return (*self._lasting(), *filter(None, [self.here]))

    def _inside(self, file: str) -> str:
        for path in _ways(file):
            for root in self._roots():
                if is_below(path, root):
                    return os.path.relpath(path, root)
        return os.path.basename(file)  # noqa: PTH119

    # What people should know

    @property
    def hidden(self) -> tuple[str, ...]:
        """Files that the network's code asks for by name, but that are not loaded: a library has that name."""
        found = []
        for name in filter(is_protected, sorted(self._asked)):
            near = PathFinder.find_spec(name, self._added[:1])
            module = sys.modules.get(name)
            file = near.origin if near else None
            if file is not None and module is not None and file != _file_of(module):
                found.append(os.path.relpath(file, self._added[0]))
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """For the record."""
        unused = (f"{file} beside the network's file is not imported: a library has that name" for file in self.hidden)
        return (*self.changed.values(), *unused)


class _AsWritten(SourceFileLoader):
    """Runs the text of the file. No cache is read or written: one of another time may look like a fresh one."""

    def __init__(self, name: str, file: str, code: NetworkCode) -> None:
        super().__init__(name, file)
        self._network = code

    def get_code(self, fullname: str) -> types.CodeType:
        text = self.get_data(self.path)
        self._network.remember(self.path, text)
        return self.source_to_code(text, self.path)


_current: NetworkCode | None = None


def current() -> NetworkCode | None:
    """The code of the network that this process holds."""
    return _current


def open_code(file: str | None) -> NetworkCode:
    """Hold the code of another network from now on; its file has yet to be run."""
    global _current  # imports are the whole process's, so one network at a time
    import torch  # noqa: F401 - before any code of the user's, as in every measuring process

    if _current is not None:
        _current.end()
    _current = NetworkCode(file)
    return _current


def run_file(code: NetworkCode, file: str, text: bytes) -> types.ModuleType:
    """The module of the network's file. Raises PackageError, and whatever the file raises."""
    real = Path(code.file or file)
    depth = _package_depth(real, text)
    if not depth:
        return _run_script(code, file, real)
    inside = real.parts[-depth - 1 : -1]
    folder = real.parents[depth]
    if len(inside) < depth or not all(part.isidentifier() for part in inside):
        wrong = next((part for part in inside if not part.isidentifier()), str(real.parent))
        raise PackageError(
            f"it has relative imports, so its folder must be a Python package, and {wrong!r} cannot be the name of "
            "one; rename the folder, or import without the dot"
        )
    if is_protected(inside[0]):
        raise PackageError(
            f"it has relative imports, so its folder must be a Python package, and a library is called {inside[0]} "
            "already; rename the folder, or import without the dot"
        )
    code.begin(folder, inside[0])
    name = ".".join(inside if real.stem == "__init__" else (*inside, real.stem))
    module = importlib.import_module(name)
    _answer_for_main(module)
    return module


def _run_script(code: NetworkCode, file: str, real: Path) -> types.ModuleType:
    """The file as a module of its own, under the name by which its neighbours may import it."""
    code.begin(real.parent)
    stem = Path(file).stem
    name = stem if stem.isidentifier() and stem not in sys.modules and not is_protected(stem) else ""
    name = name or f"custom_{re.sub(r'[^A-Za-z0-9_]+', '_', stem)}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_AsWritten(name, file, code))
    if spec is None or spec.loader is None:
        raise ImportError(file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses, copies and neighbours look for it
    code.hold(name)
    _answer_for_main(module)
    spec.loader.exec_module(module)
    return module


def _answer_for_main(module: types.ModuleType) -> None:
    """Networks that were saved whole by `python net.py` name their classes `__main__.Net`; so they are found."""

    def look_up(name: str) -> Any:
        if name.startswith("__") or not hasattr(module, name):
            raise AttributeError(f"module '__main__' has no attribute {name!r}")
        return getattr(module, name)

    vars(sys.modules["__main__"])["__getattr__"] = look_up


@contextmanager
def entered(file: str | None) -> Iterator[None]:
    """Run code of the network: it sees a command line without options, and torch is as it was afterwards."""
    argv, sys.argv = sys.argv, [file or sys.argv[0]]
    try:
        with watched(_current.changed if _current else {}):
            yield
    finally:
        sys.argv = argv


def current_folder() -> str:
    """The current folder; empty where it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text, as on Python's path
    except FileNotFoundError:
        return ""


def repository_of(folder: Path) -> Path | None:
    """The top of the git repository, worktree or submodule that a folder is in. git is not asked: it refuses those of
    other owners."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def _begins_with_current_folder() -> bool:
    """Whether `python -m` has put the current folder first on the path, where it would replace libraries."""
    by_module = getattr(sys.modules.get("__main__"), "__spec__", None) is not None
    return by_module and not getattr(sys.flags, "safe_path", False) and sys.path[:1] in ([""], [current_folder()])


def _file_of(module: Any) -> str | None:
    """The file of a module. Some are imported when one looks at them, and may fail at it."""
    try:
        file = module.__file__
    except Exception:  # noqa: BLE001 - code of other packages
        return None
    return file if isinstance(file, str) else None


def _ways(file: str) -> tuple[str, ...]:
    """The path as it is written, and that of the file itself where the way there has links."""
    folder, name = os.path.split(file)
    real = os.path.join(_real(folder), name)  # noqa: PTH118
    if os.path.islink(real):  # noqa: PTH114
        real = os.path.realpath(real)
    return (file,) if real == file else (file, real)


_real = cache(os.path.realpath)


def is_below(file: str, folder: str) -> bool:
    """Whether a path is inside a folder; links are not resolved."""
    return file.startswith(folder.rstrip("/") + "/")


def is_installed(file: str, folder: str) -> bool:
    """Whether a file below `folder` is of the standard library or of an installed package there."""
    library = os.path.realpath(sysconfig.get_path("stdlib"))
    return not _PACKAGES.isdisjoint(Path(os.path.relpath(file, folder)).parts) or is_below(
        os.path.realpath(file), library
    )


def is_protected(name: str) -> bool:
    """Whether no file of the user's may be imported by that name: the standard library's, and what co3d-bench needs."""
    return name in sys.stdlib_module_names or name == _OURS or name in _needed_modules()


@cache
def _needed_modules() -> frozenset[str]:
    """The modules of `_NEEDED` and of their requirements, as far as they are installed; without extras."""
    wanted, needed, modules = [*_NEEDED], set(), set()
    while wanted:
        name = _canonical(wanted.pop())
        if name in needed:
            continue
        needed.add(name)
        with suppress(metadata.PackageNotFoundError):
            installed = metadata.distribution(name)
            modules |= _modules_of(installed)
            asked = (line for line in installed.requires or () if "extra ==" not in line)
            wanted += [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in asked]
    return frozenset(modules - _BY_MISTAKE)


def _modules_of(installed: metadata.Distribution) -> set[str]:
    """As `metadata.packages_distributions` finds them from Python 3.11 on; in 3.10 it misses whoever declares none."""
    declared = (installed.read_text("top_level.txt") or "").split()
    inferred = (file.parts[0].partition(".")[0] for file in installed.files or () if file.suffix in (".py", ".so"))
    return set(declared or inferred)


def _canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _search(
    asking: NetworkCode, name: str, path: Sequence[str] | None, target: types.ModuleType | None
) -> ModuleSpec | None:
    """What the other finders of this process find, on this path."""
    for finder in sys.meta_path:
        find = None if finder is asking else getattr(finder, "find_spec", None)  # one of old code may have none
        top = path if finder is PathFinder or "." in name else None
        if find is not None and (spec := find(name, top, target)) is not None:
            return spec
    return None


def _is_regular(spec: ModuleSpec | None) -> bool:
    """Whether it is a module or a package with an __init__.py, rather than a mere folder."""
    return spec is not None and spec.origin is not None


def _package_depth(file: Path, text: bytes) -> int:
    """How many folders above a file are its packages; 0 where it is run as a script, without relative imports."""
    try:
        levels = [node.level for node in _untried(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level]
    except (SyntaxError, ValueError):  # running it will say so
        return 0
    if not levels and file.stem != "__init__":
        return 0
    packages = 0
    while (file.parents[packages] / "__init__.py").exists() and packages + 1 < len(file.parents):
        packages += 1
    return max([packages, *levels])


def _untried(node: ast.AST) -> Iterator[ast.AST]:
    """A tree without what stands in `try`, whose imports have a replacement below, and without what is not run."""
    yield node
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not (isinstance(child, ast.Try) or typing_only):
            yield from _untried(child)


def _absolute_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
