"""A network as a C project: built by its own Makefile, it answers as PyTorch does, and refuses what is not its own."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from small_networks import clip_network
from torch import nn

from co3d_bench.bench.backends.native import c_project, calls
from co3d_bench.bench.backends.native.c_project.build import Build, built, missing, steps_within
from co3d_bench.bench.backends.native.c_project.c_program import Program, make
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.cli.verbs import call
from co3d_bench.models import continual as co
from co3d_bench.models.spec import Preprocessing

CLOSE = 1e-5
STRICT = "-Wall -Wextra -Werror -fPIC -fvisibility=hidden"
QUICK = f"OURS=-O0 -march=native {STRICT}"
OPTIONS = Options(model="some network", preprocessing=Preprocessing((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), 32, 6))
needs_compiler = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def stream(classes=5):
    """Frames and sums kept, a ring, residuals, attention, and layers of every kind of call."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 20, 1),
        co.ReLU(),
        co.Conv3d(20, 20, 3, stride=(1, 2, 2), padding=1, groups=20),
        co.SqueezeExcitation(20, 8, co.SpatialMean()),
        co.Swish(),
        co.Conv3d(20, 12, 1),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0), groups=8),
        co.Residual(inner, co.ReLU(), co.Conv3d(8, 12, 1, stride=(1, 2, 2))),
        co.Conv3d(12, 8, 3, padding=1),
        co.Pool3d("max", (3, 2, 2), dilation=2),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, classes),
    )
    return co.FrameNetwork(blocks, (3, 22, 26)).eval()


def plain():
    """A clip network of calls of plain kinds, with tables and with constants."""
    torch.manual_seed(0)
    layers = nn.Conv3d(3, 8, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool3d((2, 1, 1)), nn.Flatten(), nn.Linear(16, 5)
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three projects: `stream`, a frame network with a batch of 2, and `clips` and `plain`, clip networks."""
    folder = tmp_path_factory.mktemp("projects")
    c_project.write(stream(), torch.zeros(2, 3, 22, 26), folder / "stream", OPTIONS)
    c_project.write(clip_network(), torch.zeros(1, 3, 4, 16, 16), folder / "clips", Options())
    c_project.write(plain(), torch.zeros(1, 3, 4, 16, 16), folder / "plain", Options())
    return folder


@pytest.fixture(scope="module")
def build(folder):
    """All of them in one library, which is found by each name."""
    if missing():
        pytest.skip(str(missing()))
    both = Build(TemporaryDirectory())
    builds = [built(folder / name, QUICK) for name in ("stream", "clips", "plain")]
    objects = [str(each.path / "network.o") for each in builds]
    subprocess.run(["g++", "-shared", "-pthread", *objects, "-o", str(both.path / "libstream.so")], check=True)
    for name in ("clips", "plain"):
        (both.path / f"lib{name}.so").symlink_to("libstream.so")
    shutil.copy(builds[0].path / "example", both.path)
    return both


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_it_streams_as_step_does(folder, build, threads):
    net, program = stream(), Program(folder / "stream", build.path, threads)
    frames = torch.randn(30, 2, 3, 22, 26)
    with torch.no_grad():
        for _ in range(2):
            state = net.initial_state(2)
            for frame in frames:
                expected, state = net.step(frame, state)
                (given,) = program.step(frame)
                assert given.shape == expected.shape
                assert relative_error(given, expected) < CLOSE
            program.reset()


@needs_compiler
def test_a_clip_network_beside_it_in_one_program_keeps_nothing(folder, build):
    net, program = clip_network(), Program(folder / "clips", build.path)
    with torch.no_grad():
        for clip in torch.randn(3, 1, 3, 4, 16, 16):
            assert relative_error(program.step(clip)[0], net(clip)) < CLOSE


@needs_compiler
def test_states_step_at_the_same_time_in_threads_of_their_own(folder, build):
    frames = torch.randn(4, 40, 2, 3, 22, 26)

    def answers(program, frames):
        return torch.stack([program.step(frame)[0] for frame in frames])

    alone = [answers(Program(folder / "stream", build.path, 2), each) for each in frames]
    network, function = ctypes.c_void_p(), Program(folder / "stream", build.path).function
    assert function("create_from_file")(os.fsencode(folder / "stream/weights.bin"), 2, ctypes.byref(network)) == 0
    programs = [Program(folder / "stream", build.path) for _ in frames]
    for program in programs:  # all of them of one network
        function("destroy_state")(program.state)
        assert function("initial_state")(network, ctypes.byref(program.state)) == 0
    function("destroy")(network)  # states keep what they need
    with ThreadPoolExecutor(len(frames)) as pool:
        together = list(pool.map(answers, programs, frames))
    for ours, theirs in zip(together, alone, strict=True):
        assert torch.equal(ours, theirs)


def changed(data, at, byte):
    return data[:at] + bytes([byte]) + data[at + 1 :]


WRONG = {
    "a null pointer": lambda data: None,
    "no weights.bin": lambda data: b"PK\3\4" + data[4:],
    "end too early": lambda data: data[:-4],
    "weights end": lambda data: data[:40],
    "is no weights": lambda data: b"",
    "another version": lambda data: changed(data, 8, 9),
    "another network": lambda data: changed(data, 16, data[16] ^ 1),
    "damaged (checksum)": lambda data: changed(data, 1000, data[1000] ^ 1),
    "are damaged": lambda data: data + b"\0",
}


@needs_compiler
@pytest.mark.parametrize("words", WRONG)
def test_weights_that_are_not_its_own_are_refused(folder, build, tmp_path, words):
    function = Program(folder / "stream", build.path).function
    data = WRONG[words]((folder / "stream/weights.bin").read_bytes())
    network = ctypes.c_void_p()
    error = function("create")(data, ctypes.c_size_t(len(data or b"")), 1, ctypes.byref(network))
    assert words in function("error_text")(error).decode()
    assert not network
    if data is not None:
        (tmp_path / "weights.bin").write_bytes(data)
        assert function("create_from_file")(os.fsencode(tmp_path / "weights.bin"), 1, ctypes.byref(network)) == error


@needs_compiler
def test_wrong_arguments_and_files_are_errors_in_words(folder, build):
    function = Program(folder / "stream", build.path).function
    network, path = ctypes.c_void_p(), os.fsencode(folder / "stream/weights.bin")
    for threads in (0, -1, 1025):
        assert function("create_from_file")(path, threads, ctypes.byref(network)) == 1
    for wrong in (folder / "none", folder):
        assert function("create_from_file")(os.fsencode(wrong), 1, ctypes.byref(network)) == 2
    assert function("step")(None, None, None) == function("reset")(None) == function("initial_state")(None, None) == 1
    function("destroy")(None)
    function("destroy_state")(None)
    texts = [function("error_text")(error) for error in range(10)]
    assert len(set(texts)) == 10


@needs_compiler
@pytest.mark.parametrize("name", ["stream", "plain"])
def test_weights_may_lie_anywhere_and_be_freed_afterwards(folder, build, name):
    program = Program(folder / name, build.path)
    data = (folder / name / "weights.bin").read_bytes()
    buffer, network = ctypes.create_string_buffer(b"x" + data), ctypes.c_void_p()
    function, at = program.function, ctypes.c_void_p(ctypes.addressof(buffer) + 1)  # at an odd address
    assert function("create")(at, ctypes.c_size_t(len(data)), 1, ctypes.byref(network)) == 0
    ctypes.memset(buffer, 255, len(buffer))
    function("destroy_state")(program.state)
    assert function("initial_state")(network, ctypes.byref(program.state)) == 0
    function("destroy")(network)
    given = torch.randn(2, 3, 22, 26) if name == "stream" else torch.randn(1, 3, 4, 16, 16)
    with torch.no_grad():
        expected, *_ = stream().step(given, stream().initial_state(2)) if name == "stream" else (plain()(given),)
        assert relative_error(program.step(given)[0], expected) < CLOSE


def test_tables_of_plain_calls_are_code_and_not_weights(folder):
    """So that no file of weights can lead a kernel out of its memory."""
    code = (folder / "plain/src/table.h").read_text()
    assert "n->kind = GATHER" in code
    assert len(re.findall(r"const int32_t TABLE_", code)) == len(re.findall(r"\(const float \*\)TABLE_", code)) > 0


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@needs_compiler
def test_the_examples_agree_and_time_their_steps(folder, build, tmp_path):
    example, project = str(build.path / "example"), tmp_path / "stream"
    shutil.copytree(folder / "stream", project)
    (project / "build").symlink_to(build.path)
    weights, frames = str(project / "weights.bin"), str(project / "test/frames.bin")
    in_c = lines_of(example, weights, "--frames", frames)
    in_python = lines_of(sys.executable, str(project / "example.py"), frames)
    assert len(in_c) == len(in_python) == 2 * c_project.FRAMES
    best = re.compile(r"class (\d+) \(score (-?\d+\.\d{3})")
    assert [best.search(line)[1] for line in in_c] == [best.search(line)[1] for line in in_python]
    (compared,) = lines_of(example, weights, "--frames", frames, "--expect", str(project / "test/scores.bin"))
    assert compared.startswith("4 answers, ")
    (timed,) = lines_of(example, weights, "--time", "5", "--threads", "2")
    assert re.fullmatch(
        r"threads 2: median \d+\.\d+ ms a step, fastest .* \(5 steps, batch 2, \d+-bit vectors\)", timed
    )
    assert len((project / "example.py").read_text().splitlines()) <= 50


@needs_compiler
def test_frames_of_another_size_are_noticed_where_the_file_ends_within_one(folder, build, tmp_path):
    (tmp_path / "frames.bin").write_bytes((folder / "stream/test/frames.bin").read_bytes()[:-1])
    command = [
        str(build.path / "example"),
        str(folder / "stream/weights.bin"),
        "--frames",
        str(tmp_path / "frames.bin"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 2 * (c_project.FRAMES - 1)
    assert done.stderr == "the file ends within a frame: is each 26 x 22 pixels (width x height) of 3 bytes?\n"


@needs_compiler
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--threads", "2x", "--time", "1"), "--threads: takes a whole number from 1 to 1000000"),
        (("--time", "0"), "--time: takes a whole number from 1 to 1000000"),
        (("--time",), "--time: takes a value"),
        (("--time", "1", "--threads", "1025"), "{weights}: a null pointer, or threads outside of 1 to 1024"),
    ],
)
def test_the_example_refuses_what_is_no_number(folder, build, words, said):
    weights = str(folder / "stream/weights.bin")
    done = subprocess.run([str(build.path / "example"), weights, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said.format(weights=weights) + "\n")


@needs_compiler
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "usage: .*example.py FRAMES"),
        (("none.bin",), "none.bin: no file of whole inputs; one is 2 x 1 x 22 x 26 x 3 bytes"),
        (("short.bin",), "short.bin: no file of whole inputs; .*"),
    ],
)
def test_the_example_in_python_refuses_in_one_line(folder, build, tmp_path, words, said):
    shutil.copytree(folder / "stream", tmp_path / "stream")
    (tmp_path / "stream/build").symlink_to(build.path)
    (tmp_path / "short.bin").write_bytes(b"1234")
    command = [sys.executable, "stream/example.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(said, done.stderr.strip())


@needs_compiler
@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_another_answer_fails_the_check(folder, build, tmp_path, factor):
    expected = torch.frombuffer(bytearray((folder / "stream/test/scores.bin").read_bytes()), dtype=torch.float32)
    expected[0] *= factor
    (tmp_path / "scores.bin").write_bytes(expected.numpy().tobytes())
    frames = str(folder / "stream/test/frames.bin")
    command = [str(build.path / "example"), str(folder / "stream/weights.bin"), "--frames", frames]
    done = subprocess.run([*command, "--expect", str(tmp_path / "scores.bin")], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/scores.bin: the answers differ\n"


@pytest.mark.parametrize(("ms", "steps"), [("0.000", 200), ("5.123", 200), ("400.000", 25), ("9000.000", 5)])
def test_large_networks_are_timed_over_fewer_steps(ms, steps):
    assert steps_within(f"threads 1: median {ms} ms a step, fastest 0.1 ms") == steps


def test_the_kernels_are_those_of_native_and_the_words_too(folder):
    ours = Path(calls.__file__).with_name("kernels.cpp").read_text()
    assert (folder / "stream/src/kernels.cpp").read_text() == ours
    for enum in (calls.Kind, calls.Activation, calls.Reduction, calls.Operation):
        (names,) = re.findall(rf"enum {enum.__name__} : int32_t {{([^}}]*)}}", re.sub("//.*", "", ours))
        assert re.findall(r"\w+", names) == [member.name for member in enum]
    assert sorted(enum.value for enum in calls.Kind) == list(range(len(calls.Kind)))


def test_new_weights_of_a_network_fit_the_code_and_those_of_another_do_not(folder, tmp_path):
    trained = stream()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter += 0.1
    c_project.write(trained, torch.zeros(2, 3, 22, 26), tmp_path / "stream", OPTIONS)
    c_project.write(stream(6), torch.zeros(2, 3, 22, 26), tmp_path / "other", OPTIONS)
    first, again, other = (
        each / "src/table.h" for each in (folder / "stream", tmp_path / "stream", tmp_path / "other")
    )
    assert first.read_text() == again.read_text()
    assert first.read_text().split("\n")[2] != other.read_text().split("\n")[2]
    assert (folder / "stream/weights.bin").read_bytes() != (tmp_path / "stream/weights.bin").read_bytes()


def test_a_folder_is_complete_and_says_what_it_knows(folder):
    files = {str(file.relative_to(folder / "clips")) for file in (folder / "clips").rglob("*") if file.is_file()}
    assert files == {
        "README.md", "clips.h", "weights.bin", "Makefile", "CMakeLists.txt", "example.c", "example.py", "network.json",
        "src/network.cpp", "src/kernels.cpp", "src/table.h", "test/frames.bin", "test/scores.bin",
    }  # fmt: skip
    for file in folder.glob("*/*"):
        if file.is_file() and file.suffix != ".bin":
            assert not re.search(r"@\w+@", file.read_text()), file
    said = (folder / "stream/README.md").read_text()
    assert "fps=5,scale=32:32:force_original_aspect_ratio=increase,crop=26:22" in said
    assert "(0.4, 0.5, 0.6), (0.2, 0.25, 0.3)" in said
    assert c_project.NOT_MEASURED in said
    assert "none; each clip stands alone" in (folder / "clips/README.md").read_text()


def test_a_project_is_not_made_where_there_is_no_compiler(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"^there is no make: apt install make g\+\+$"):
        make(folder / "stream", tmp_path)


@pytest.mark.parametrize(
    ("name", "word"),
    [("cox3d-m-16", "cox3d_m_16"), ("3d net", "net_3d_net"), ("é", "net"), ("a'; rm -rf \"b", "a_rm_rf_b")],
)
def test_a_folder_names_the_interface(name, word):
    assert c_project.identifier(name) == word


class FFT(torch.nn.Module):
    def forward(self, x):
        return torch.fft.rfft2(x).abs()


def test_half_precision_and_what_native_has_no_kernel_for_are_refused(tmp_path):
    with pytest.raises(UserError, match="--precision: the format c computes in fp32 alone"):
        c_project.write(stream(), torch.zeros(1, 3, 22, 26, dtype=torch.float16), tmp_path / "a", Options())
    with pytest.raises(UserError, match=r"native: no kernel for \S*fft\S* on \(1, 3, 8, 8\)"):
        c_project.write(FFT().eval(), torch.zeros(1, 3, 8, 8), tmp_path / "b", Options())
    assert list(tmp_path.iterdir()) == []


CUSTOM = "from torch import nn, zeros\n\n\ndef net():\n    return nn.Conv2d(3, 4, 3), zeros(1, 3, 8, 8)\n"


def test_the_verb_writes_a_folder_and_leaves_one_that_is_not_empty_alone(tmp_path, capsys):
    (tmp_path / "net.py").write_text(CUSTOM)
    words = ["export", f"{tmp_path}/net.py:net", "--format", "c", "--no-verify", "-o", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    before = (tmp_path / "out").stat().st_ino
    call(words)
    assert (tmp_path / "out").stat().st_ino == before
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert capsys.readouterr().out == f"{tmp_path}/out: {sum(file.stat().st_size for file in files):,} bytes\n"
    assert (tmp_path / "out/out.h").is_file()
    assert "| weights | those that its code makes |" in (tmp_path / "out/README.md").read_text()
    with pytest.raises(UserError, match="exists and is not empty; name a new folder, or remove that one"):
        call(["export", "no-such-model", "--format", "c", "-o", str(tmp_path / "out")])
    with pytest.raises(UserError, match="is a folder; --format onnx writes a file"):
        call(["export", "no-such-model", "--format", "onnx", "-o", str(tmp_path)])


# -- what takes long ------------------------------------------------------------------------------------------------


def run_make(project, environment=None, **words):
    given = [f"{name}={value}" for name, value in words.items()]
    done = subprocess.run(
        ["make", "-C", str(project), *given, "all", "check"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr
    return done.stdout


@needs_compiler
@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["stream", "clips", "plain"])
@pytest.mark.parametrize("compilers", [("cc", "g++"), ("clang", "clang++")], ids=lambda pair: pair[1])
def test_it_is_clean_under_the_sanitizers_of_memory(folder, tmp_path, name, compilers):
    if not all(map(shutil.which, compilers)):
        pytest.skip(f"{compilers[1]} is not here")
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    flags = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    probe = [compilers[1], *flags.split(), str(tmp_path / "empty.c"), "-o", str(tmp_path / "empty")]
    if subprocess.run(probe, capture_output=True).returncode:
        flags = ""  # Debian's clang wants libclang-rt-14-dev; it builds without a warning at least
    words = {"CFLAGS": flags, "CXXFLAGS": flags, "LDFLAGS": flags, "OURS": f"-O1 -g -march=native {STRICT}"}
    run_make(folder / name, BUILD=tmp_path, CC=compilers[0], CXX=compilers[1], **words)
    example, weights = str(tmp_path / "example"), folder / name / "weights.bin"
    lines_of(example, str(weights), "--time", "20", "--threads", "2")
    whole = weights.read_bytes()
    for end in (0, 7, 63, 64, len(whole) // 2, -1):
        (tmp_path / "cut.bin").write_bytes(whole[:end])
        done = subprocess.run([example, str(tmp_path / "cut.bin"), "--time", "1"], capture_output=True, text=True)
        assert done.returncode == 1
        assert re.fullmatch(r".*cut\.bin: (this is no|the weights end).*\n", done.stderr)


@needs_compiler
@pytest.mark.acceptance
def test_it_is_clean_under_the_sanitizer_of_threads(folder, tmp_path):
    """With whole vectors: those of AVX-512 may reach half into another thread's pixel, whose values are read and not
    kept."""
    flags = "-fsanitize=thread"
    narrow = "-march=native -mno-avx512f" if os.uname().machine == "x86_64" else "-mcpu=native"
    words = {"CFLAGS": flags, "CXXFLAGS": flags, "LDFLAGS": flags, "OURS": f"-O1 -g {narrow} {STRICT}"}
    run_make(folder / "stream", BUILD=tmp_path, **words)
    command = [str(tmp_path / "example"), str(folder / "stream/weights.bin"), "--time", "300", "--threads", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_compiler
@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["stream", "clips", "plain"])
def test_the_cross_compiler_for_aarch64_builds_it_and_it_answers_in_emulation(folder, tmp_path, name):
    tools = ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++", "qemu-aarch64")
    if not all(map(shutil.which, tools)):
        pytest.skip("apt install g++-aarch64-linux-gnu qemu-user")
    words = {"CC": tools[0], "CXX": tools[1], "RUN": f"{tools[2]} -L /usr/aarch64-linux-gnu"}
    out = run_make(folder / name, BUILD=tmp_path, OURS=f"-O1 -mcpu=cortex-a57 {STRICT}", **words)
    assert "off PyTorch's at most" in out


@needs_compiler
@pytest.mark.acceptance
def test_neither_build_needs_python(folder, tmp_path):
    tools, project = tmp_path / "bin", folder / "stream"
    tools.mkdir()
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for tool in Path(directory).iterdir():
            if not re.match(r"python|pypy|co3d", tool.name) and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    environment = {"PATH": str(tools)}
    assert shutil.which("python3", path=environment["PATH"]) is None
    run_make(project, environment, BUILD=tmp_path / "make", OURS=f"-O1 {STRICT}")
    if shutil.which("cmake"):
        build = tmp_path / "cmake"
        for command in (
            ["cmake", "-S", str(project), "-B", str(build), "-DSTREAM_ARCH=-march=native"],
            ["cmake", "--build", str(build)],
            ["ctest", "--test-dir", str(build), "--output-on-failure"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            assert done.returncode == 0, done.stdout + done.stderr


@needs_compiler
@pytest.mark.acceptance
def test_the_verb_builds_what_it_wrote_compares_it_and_states_its_speed(tmp_path, capsys):
    call(["export", "cox3d-s-13", "--format", "c", "-o", str(tmp_path / "net")])
    assert re.search(r"verified: [\d.e-]+ off the network in PyTorch at most", capsys.readouterr().err)
    said = (tmp_path / "net/README.md").read_text()
    assert c_project.NOT_MEASURED not in said
    assert re.search(r"^- threads 1: median \d+\.\d+ ms a step", said, flags=re.MULTILINE)
    assert not (tmp_path / "net/build").exists()
