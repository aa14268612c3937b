"""One case on a board: for Python 3.6 and torch 1.10 or newer.

    python3 onboard.py FOLDER     FOLDER/job.json in; lines of JSON out: `measured`, `trtexec` or `failed` among them

It is copied beside `agent.py`, the runner, and the loop, probe and allocator of `bench/measure`, so a case is timed by
the same code and rules as on the host. Then come its answers, which the host compares.
"""
# ruff: noqa: E402, I001 - the copied modules are imported by their folder, which is put on the path first
# pyright: reportMissingImports=false

import base64
import ctypes
import gc
import hashlib
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # PYTHONSAFEPATH leaves the script's folder out

import c_program
import trtexec_tool
from allocator import keep_freed_memory
from garbage import paused_collector
from gpu import DeviceClock, device_facts, memory_of, set_flags, time_copies
from guard import die_with_parent
from loop import (
    SAMPLING_TIME_SHARE,
    WARMUP_TIME_SHARE,
    Calls,
    Instruments,
    SamplingRule,
    WarmUpRule,
    blocks,
    loop_overhead_s,
    median,
    sample,
    seldom,
    timing_fields,
    warm_up,
)
from openmp import wait_settings
from probe import (
    KernelProbe,
    UseProbe,
    background_load,
    peak_rss_bytes,
    status_bytes,
    thread_seconds,
)

SYSROOT = Path(os.environ.get("CO3D_BENCH_SYSROOT", "/"))
DETAIL_CHARACTERS = 4000
# Share of a case's time after which no more answers are computed.
ANSWERS_TIME_SHARE = 0.75
clock = time.perf_counter


def main(folder):
    die_with_parent()
    channel = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not mix with our lines

    def emit(event, **fields):
        data = (json.dumps(dict(fields, event=event, t=time.monotonic())) + "\n").encode()
        while data:
            data = data[os.write(channel, data) :]

    job = json.loads((folder / "job.json").read_text())
    try:
        ENGINES[job["engine"]](job, folder, emit)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
        text = str(error).strip()
        emit(
            "failed",
            message=f"{type(error).__name__}: {text.partition(chr(10))[0]}" if text else type(error).__name__,
            text=text[:DETAIL_CHARACTERS],
            detail=traceback.format_exc()[-DETAIL_CHARACTERS:],
            memory=isinstance(error, MemoryError),
        )


# --- a network in the format for old boards, by the copied runner


class Case:
    """A running case: its job, when it began, and the CPU use of the machine until then."""

    def __init__(self, job, emit):
        self.job, self.emit, self.begun_s = job, emit, clock()
        self.use = UseProbe(lambda: sum(os.times()[:4]))
        self.used = self.use()

    def until(self, share):
        """When this share of its time will be over."""
        return self.begun_s + share * self.job["timeout_s"]


def aten_json(job, folder, emit):
    case = Case(job, emit)
    emit("phase", phase="loading")
    os.environ.update(wait_settings(os.environ))  # settings of the board's owner win
    allocator = keep_freed_memory()
    import torch

    import runner

    torch.set_num_threads(job["threads"])
    torch.set_num_interop_threads(1)
    cuda = job["torch_device"] != "cpu"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    available = available_bytes() if job["unified_memory"] else None
    if cuda:
        set_flags(torch)
        torch.zeros(1, device=job["torch_device"])  # creates the device's context, which is not part of loading
    start = clock()
    program = runner.Program(str(HERE / job["artefact"]), job["torch_device"])
    synchronize()
    load_s = clock() - start
    row = program.graph["inputs"][0]
    calls = Calls(program.step, random_inputs(torch, row, job), synchronize)
    with getattr(torch, "inference_mode", torch.no_grad)():
        measured = timed(torch, calls, case)
        measured["timing"]["load_s"] = load_s
        if cuda:
            del calls.inputs[1:]  # the memory of a prediction includes one input
            measured["cuda"].update(gpu_facts(torch, calls, case, row, available))
        emit("phase", phase="verifying")
        answer(runner, program, row, case)
        emit("measured", allocator=allocator, **measured, **surroundings(torch))
        if job["energy"]:
            measure_energy(calls._replace(inputs=random_inputs(torch, row, job)), case)


def timed(torch, calls, case):
    """First prediction, warm-up and samples, as `bench/measure/passes.py` takes them."""
    job, emit, cuda = case.job, case.emit, case.job["torch_device"] != "cpu"
    emit("phase", phase="first prediction")
    start = clock()
    first = calls.step(calls.inputs[0])
    calls.synchronize()
    first_s = clock() - start
    digest = checksum(first)
    load_before = background_load(case.used, case.use())
    emit("phase", phase="warming")
    warmed = warm_up(calls, clock, WarmUpRule(job["fill"], case.until(WARMUP_TIME_SHARE)))
    instruments = Instruments(clock, thread_seconds, KernelProbe())
    runs, min_s = job["settings"]["runs"], job["settings"]["min_s"]
    report = seldom(lambda done: emit("phase", phase="sampling", done=done, total=max(done, runs)), clock)
    emit("phase", phase="sampling", done=0, total=runs)
    rss_bytes = peak_rss_bytes()
    step = DeviceClock(torch.cuda, calls.step) if cuda else calls.step
    gc.collect()
    with paused_collector():
        used = case.use()
        rule = SamplingRule(runs, min_s, case.until(SAMPLING_TIME_SHARE))
        sampling = sample(calls._replace(step=step), instruments, rule, report)
        load = background_load(used, case.use())
        overhead_s = loop_overhead_s(instruments)
    timing = timing_fields(warmed, sampling)
    timing.update(
        first_prediction_s=first_s,
        background_load_before=load_before,
        background_load=load,
        loop_overhead_s=overhead_s,
    )
    return {
        "timing": timing,
        "span": [sampling.begin_s, sampling.end_s],
        "output_sha256": digest,
        "peak_rss_bytes": rss_bytes,
        "cuda": {"device_s": step.seconds()} if cuda else None,
    }


def surroundings(torch):
    return {
        "threads": torch.get_num_threads(),
        "inter_op_threads": torch.get_num_interop_threads(),
        "environ": {n: value for n, value in os.environ.items() if n.startswith(("GOMP_", "KMP_", "OMP_"))},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def measure_energy(calls, case):
    """Blocks of predictions, if there is time left for them."""
    asked = case.job["energy"]
    if clock() + asked["needed_s"] > case.until(1.0):
        return
    case.emit("phase", phase="energy")
    measured = blocks(calls, asked["blocks"], asked["block_s"], clock)
    time.sleep(asked["after_s"])  # the sensors are to be read once more after the last block
    case.emit("energy", blocks=measured)


def gpu_facts(torch, calls, case, row, available):
    """The device and its software; copies, and the memory that one prediction needs."""
    x = calls.inputs[0]
    y = calls.step(x)
    frame = torch.zeros(row["shape"], dtype=getattr(torch, row["dtype"]))
    there, back = time_copies(torch.cuda, case.job["torch_device"], [frame], y if isinstance(y, list) else [y], clock)
    del y, frame
    memory = memory_of(torch.cuda, lambda: calls.step(x), available_bytes, available)
    return dict(device_facts(torch), to_device_s=median(there), to_host_s=median(back), memory=memory)


def random_inputs(torch, row, job):
    """Standard normal values from a seed, on the device before anything is timed."""
    generator = torch.Generator()
    generator.manual_seed(job["seed"])
    dtype = getattr(torch, row["dtype"])
    return [
        torch.randn(row["shape"], generator=generator).to(job["torch_device"], dtype) for _ in range(job["ring_length"])
    ]


def answer(runner, program, row, case):
    """Answers to a stream of computed inputs, for the host to compare; of a batch only the rows that the job names."""
    job, emit = case.job, case.emit
    program.reset()
    for index in range(job["check"]):
        if index and clock() >= case.until(ANSWERS_TIME_SHARE):
            break
        y = program.step(runner.example(row, index).to(job["torch_device"]))
        tensors = []
        for tensor in y if isinstance(y, list) else [y]:
            tensor = tensor.float().cpu()
            whole = tensor.dim() == 0 or tensor.shape[0] != row["shape"][0]
            kept = (tensor if whole else tensor[job["rows"]]).contiguous()
            tensors.append({"shape": list(kept.shape), "data": base64.b64encode(raw(kept)).decode()})
        emit("answer", index=index, tensors=tensors)


def raw(tensor):
    """The bytes of a contiguous tensor of the CPU. Not by numpy, which may be missing on a board."""
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def checksum(output):
    if isinstance(output, list):
        return None
    return hashlib.sha256(raw(output.float().cpu().contiguous())).hexdigest()


def available_bytes():
    """Memory that a process could still get. Where GPU and CPU share one, what the GPU took is missing from it."""
    return status_bytes("MemAvailable", SYSROOT / "proc/meminfo")


# --- a network as a C project, compiled here


def native(job, folder, emit):
    case = Case(job, emit)
    allocator = keep_freed_memory()
    import torch

    import runner

    torch.set_num_threads(1)  # the project has threads of its own
    torch.set_num_interop_threads(1)
    emit("phase", phase="compiling")
    start = clock()
    project, build = folder / "project", folder / "build"
    c_program.unpack(HERE / job["artefact"], project)
    c_program.make(project, build, "lib")
    compile_s = clock() - start
    emit("phase", phase="loading")
    start = clock()
    program = c_program.Program(project, build, job["threads"])
    load_s = clock() - start
    row = {"shape": program.shape, "dtype": "float32"}
    calls = Calls(program.step, random_inputs(torch, row, job), lambda: None)
    with getattr(torch, "inference_mode", torch.no_grad)():
        measured = timed(torch, calls, case)
        measured["timing"]["load_s"] = load_s
        emit("phase", phase="verifying")
        answer(runner, program, row, case)
    compiler = c_program.run([os.environ.get("CXX", "g++"), "--version"]).splitlines()[0]
    facts = {"compile_s": compile_s, "vector_bits": program.function("vector_bits")(), "compiler": compiler}
    around = dict(surroundings(torch), threads=job["threads"])
    emit("measured", allocator=allocator, native=facts, **measured, **around)


# --- a network in ONNX, by TensorRT's own tool


def trtexec(job, folder, emit):
    """Run the session of the job; the tool's output and files are sent as they are."""
    done = trtexec_tool.run(job, HERE, folder, emit, before=die_with_parent)
    emit("trtexec", versions={"python": platform.python_version()}, **done)


ENGINES = {"aten-json": aten_json, "native": native, "trtexec": trtexec}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
