"""A C project built and called through ctypes, by Python 3.6 and its standard library.

It is copied to boards, which build the project themselves, and used by `build.py` here.
"""

import ctypes
import json
import os
import shutil
import subprocess
import weakref
import zipfile


def run(command):
    """What a command prints. Raises RuntimeError with the line that says what went wrong."""
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise RuntimeError(f"{command[0]}: {error.strerror}") from error
    out, errors = (text.decode("utf-8", "replace") for text in process.communicate())
    if process.returncode:
        said = [line for line in (errors or out).splitlines() if line.strip()] or ["it said nothing"]
        raise RuntimeError(next((line for line in said if "error" in line), said[0]))
    return out


def unpack(archive, folder):
    """The project in a zip of ours as a folder."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def make(project, build, *words):
    """Run its Makefile, which builds in the folder `build`. Raises RuntimeError with what the compiler said."""
    for tool in ("make", os.environ.get("CXX", "g++")):
        if shutil.which(tool) is None:
            raise RuntimeError(f"there is no {tool}: apt install make g++")
    run(["make", "-s", "-C", str(project), f"BUILD={build}", *words])


class Program:
    """One stream of a project that was built. Raises RuntimeError with the error's text."""

    def __init__(self, project, build, threads=1):
        facts = json.loads((project / "network.json").read_text())
        self.name, self.shapes, shape = facts["name"], facts["answers"], facts["input"]
        # As the network takes it: a frame, or a clip.
        self.shape = shape if facts["clip"] else shape[:2] + shape[3:]
        self.library = ctypes.CDLL(str(build / f"lib{self.name}.so"))
        self.function("error_text").restype = ctypes.c_char_p
        for name in ("destroy", "destroy_state"):
            self.function(name).restype = None
        network, self.state = ctypes.c_void_p(), ctypes.c_void_p()
        path = os.fsencode(str(project / "weights.bin"))
        self.must(self.function("create_from_file")(path, threads, ctypes.byref(network)))
        self.must(self.function("initial_state")(network, ctypes.byref(self.state)))
        self.function("destroy")(network)  # the state keeps what it needs
        weakref.finalize(self, self.function("destroy_state"), self.state)

    def function(self, name):
        """A function of the library, by its name without the network's."""
        return getattr(self.library, f"{self.name}_{name}")

    def must(self, error):
        if error:
            raise RuntimeError(f"{self.name}: {self.function('error_text')(error).decode()}")

    def reset(self):
        """Back to the start of a stream."""
        self.must(self.function("reset")(self.state))

    def step(self, x):
        """The answers to one input, a tensor of float32, each with its shape."""
        x = x.contiguous()
        sizes = [size_of(shape) for shape in self.shapes]
        scores = x.new_empty(sum(sizes))
        self.must(self.function("step")(self.state, *[ctypes.c_void_p(each.data_ptr()) for each in (x, scores)]))
        return [part.view(shape) for part, shape in zip(scores.split(sizes), self.shapes)]  # noqa: B905 - Python 3.6


def size_of(shape):
    size = 1
    for length in shape:
        size *= length
    return size
