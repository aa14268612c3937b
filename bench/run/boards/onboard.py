"""One case on a board: copied there beside `agent.py` and the runner, for Python 3.6 and torch 1.10 or newer.

    python3 onboard.py FOLDER     FOLDER/job.json in; lines of JSON out, the last one `measured`, `trtexec` or `failed`

It measures as `bench/measure/passes.py` does here: first prediction, warm-up, samples with the kernel's evidence
beside each, then the answers, which the host compares. A host that does not know this file's job gets nothing.
"""
# ruff: noqa: S603 - no shell anywhere
# pyright: reportMissingImports=false

import base64
import contextlib
import ctypes
import gc
import hashlib
import itertools
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
SYSROOT = Path(os.environ.get("CO3D_BENCH_SYSROOT", "/"))
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"  # where JetPack puts it
REPORT_EVERY_S = 2.0  # seldom: whoever follows wakes up for it
LOG_BYTES = 1 << 18
DETAIL_CHARACTERS = 4000
TRANSFERS = 20
WARMUP_KEPT = 100
MOST_SAMPLES = 2000
clock = time.perf_counter


def main(folder):
    die_with_parent()
    channel = os.dup(1)
    os.dup2(2, 1)  # so that nothing a library prints comes between our lines

    def emit(event, **fields):
        data = (json.dumps(dict(fields, event=event, t=time.monotonic())) + "\n").encode()
        while data:
            data = data[os.write(channel, data) :]

    job = json.loads((folder / "job.json").read_text())
    try:
        ENGINES[job["engine"]](job, folder, emit)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        text = str(error).strip()
        emit(
            "failed",
            message=f"{type(error).__name__}: {text.partition(chr(10))[0]}" if text else type(error).__name__,
            text=text[:DETAIL_CHARACTERS],
            detail=traceback.format_exc()[-DETAIL_CHARACTERS:],
            memory=isinstance(error, MemoryError),
        )


def die_with_parent():
    """Whoever kills what looks after us, kills us."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


# --- a network in the form for old boards, by the runner that lies beside us


def aten_json(job, folder, emit):
    emit("phase", phase="loading")
    give_way(job.get("waiting", {}))
    begin = clock()
    import torch

    sys.path.insert(0, str(HERE))
    import runner

    import_s = clock() - begin
    torch.set_num_threads(job["threads"])
    torch.set_num_interop_threads(1)
    cuda = job["torch_device"] != "cpu"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    if cuda:
        torch.backends.cudnn.benchmark = job["cudnn_benchmark"]
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = job["allow_tf32"]
    available = available_bytes()
    if cuda:
        torch.zeros(1, device=job["torch_device"])  # the device's context is no part of loading a network
    start = clock()
    program = runner.Program(str(HERE / job["artefact"]), job["torch_device"])
    synchronize()
    load_s = clock() - start
    row = program.graph["inputs"][0]
    ring = random_inputs(torch, row, job)
    with getattr(torch, "inference_mode", torch.no_grad)():
        emit("phase", phase="first prediction")
        start = clock()
        first = program.step(ring[0])
        synchronize()
        first_s = clock() - start
        digest = checksum(first)
        emit("phase", phase="warming")
        warmed = warm_up(program.step, ring, job["fill"], job["warm_up"], synchronize)
        settings = SimpleNamespace(**job["settings"])
        emit("phase", phase="sampling", done=0, total=settings.runs)
        step = DeviceClock(torch, program.step) if cuda else program.step
        timing, span = sample(step, ring, settings, synchronize, seldom(emit, settings.runs))
        emit("phase", phase="verifying")
        facts = {"peak_rss_bytes": status_bytes("VmHWM"), "cuda": None}
        if cuda:
            del ring[1:]  # of the inputs, one is part of what a prediction needs
            facts["cuda"] = cuda_facts(torch, step.seconds(), program.step, ring[0], row, first, job, available)
        answer(runner, program, row, job, emit)
        blocks = []
        if job["energy"]:
            emit("phase", phase="energy")
            blocks = energy_blocks(program.step, random_inputs(torch, row, job), synchronize, job["energy"])
    timing.update(warmed, load_s=load_s, first_prediction_s=first_s)
    emit(
        "measured",
        timing=timing,
        import_s=import_s,
        span=span,
        energy_blocks=blocks,
        output_sha256=digest,
        threads=torch.get_num_threads(),
        inter_op_threads=torch.get_num_interop_threads(),
        affinity=sorted(os.sched_getaffinity(0)),
        environ={name: value for name, value in os.environ.items() if name.startswith(("GOMP_", "KMP_", "OMP_"))},
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        **facts,
    )


def give_way(waiting):
    """How threads wait, before their library is loaded; what somebody has set on the board stays."""
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", *waiting)):
        os.environ.update(waiting)


class DeviceClock:
    """Events around each call; they are read when all is over, since asking would wait."""

    def __init__(self, torch, step):
        self.torch, self.step, self.pairs = torch, step, []

    def __call__(self, x):
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        y = self.step(x)
        end.record()
        self.pairs.append((begin, end))
        return y

    def seconds(self):
        self.torch.cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in self.pairs]  # it is in milliseconds


def cuda_facts(torch, device_s, step, x, row, scores, job, available):
    """The device and its software, its time for each sample, copies, and the memory that one prediction needs."""
    there, back = transfers(torch, row, scores, job["torch_device"])
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step(x)
    torch.cuda.synchronize()
    version = torch.backends.cudnn.version()
    return {
        "name": torch.cuda.get_device_name(0),
        "capability": "{}.{}".format(*torch.cuda.get_device_capability(0)),
        "cuda": torch.version.cuda,
        "cudnn": None if version is None else str(version),
        "flags": {
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        },
        "device_s": device_s,
        "to_device_s": there,
        "to_host_s": back,
        "memory": {
            "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
            "available_drop_bytes": taken(available, available_bytes()),
        },
    }


def random_inputs(torch, row, job):
    """Standard normal values from a seed, on the device before anything is timed."""
    generator = torch.Generator()
    generator.manual_seed(job["seed"])
    dtype = getattr(torch, row["dtype"])
    return [
        torch.randn(row["shape"], generator=generator).to(job["torch_device"], dtype) for _ in range(job["ring_length"])
    ]


def warm_up(step, ring, fill, rule, synchronize):
    """At least `fill` predictions, and until they get no shorter (`stable.py`), or the rule's limits are reached."""
    from stable import is_stable

    latencies = []
    begin = filled = end = clock()
    stable = False
    for x in itertools.cycle(ring):
        start = clock()
        step(x)
        synchronize()
        end = clock()
        latencies.append(end - start)
        extra = len(latencies) - fill
        if extra < 0:
            continue
        if extra == 0:
            filled = end
        stable = is_stable(latencies, rule["window"])
        late = end - filled >= rule["max_seconds"] and len(latencies) >= rule["window"]
        if stable or late or extra >= rule["max_predictions"]:
            break
    return {
        "warmup_predictions": len(latencies),
        "warmup_s": end - begin,
        "warmup_stable": stable,
        "warmup_latency_s": latencies[-WARMUP_KEPT:],
    }


def median(values):
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def sample(step, ring, settings, synchronize, report):
    """Time calls one after the other, with the kernel's evidence beside each; and the time from first to last.

    As many as were asked for, and more until they took as long as was asked for (`measure.py` does the same).
    """
    probe = Probe()
    taken = SimpleNamespace(latency_s=[], involuntary_switches=[], steal_s=[], waited_s=[])
    own_s = 0.0
    gc.collect()
    gc.disable()
    begin = clock()
    mark = thread_cpu_s()
    before = probe()
    for x in itertools.cycle(ring):
        own_s += thread_cpu_s() - mark
        start = clock()
        step(x)
        synchronize()
        end = clock()
        mark, after = thread_cpu_s(), probe()
        taken.latency_s.append(round(end - start, 9))
        taken.involuntary_switches.append(after[0] - before[0])
        taken.steal_s.append(after[1] - before[1])
        taken.waited_s.append(round(max(0.0, after[2] - before[2]), 9))
        before = after
        count = len(taken.latency_s)
        report(count)
        if count >= settings.runs and (end - begin >= settings.min_s or count >= MOST_SAMPLES):
            break
    own_s += thread_cpu_s() - mark
    finish = clock()
    wall_s = finish - begin
    gc.enable()
    return {"samples": vars(taken), "sampling_wall_s": wall_s, "harness_cpu_share": own_s / wall_s}, [begin, finish]


def thread_cpu_s():
    return time.clock_gettime(3)  # CLOCK_THREAD_CPUTIME_ID; newer Pythons have time.thread_time


class Probe:
    """The kernel's counters of this process and machine: (involuntary switches, stolen s, s waited for a core)."""

    def __init__(self):
        self.stat = os.open("/proc/stat", os.O_RDONLY)
        self.tasks = []
        for file in Path("/proc/self/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                self.tasks.append(os.open(str(file), os.O_RDONLY))

    def __call__(self):
        fields = os.pread(self.stat, 256, 0).split(b"\n", 1)[0].split()
        stolen = int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0.0
        waited = 0.0
        for task in self.tasks:
            with contextlib.suppress(OSError, IndexError):
                waited += int(os.pread(task, 128, 0).split()[1]) / 1e9
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, stolen, waited


def seldom(emit, total):
    last = clock()

    def report(done):
        nonlocal last
        if clock() - last >= REPORT_EVERY_S:
            last = clock()
            emit("phase", phase="sampling", done=done, total=max(done, total))

    return report


def answer(runner, program, row, job, emit):
    """Answers to a stream of inputs made by arithmetic, for the host to compare; of a batch the rows it names."""
    program.reset()
    for index in range(job["check"]):
        y = program.step(runner.example(row, index).to(job["torch_device"]))
        tensors = []
        for tensor in y if isinstance(y, list) else [y]:
            tensor = tensor.float().cpu()
            whole = tensor.dim() == 0 or tensor.shape[0] != row["shape"][0]
            kept = (tensor if whole else tensor[job["rows"]]).contiguous()
            tensors.append({"shape": list(kept.shape), "data": base64.b64encode(raw(kept)).decode()})
        emit("answer", index=index, tensors=tensors)


def energy_blocks(step, ring, synchronize, asked):
    """Idle and busy stretches in turn: when each began and ended, and how many predictions were in it."""
    blocks = []
    for number in range(2 * asked["blocks"] + 1):
        begin, calls = clock(), 0
        if number % 2:
            for x in itertools.cycle(ring):
                step(x)
                synchronize()
                calls += 1
                if clock() - begin >= asked["block_s"]:
                    break
        else:
            time.sleep(asked["block_s"])
        blocks.append([begin, clock(), calls])
    time.sleep(asked["after_s"])  # so that a reading lies behind the last block
    return blocks


def raw(tensor):
    """The bytes of a contiguous tensor of the CPU. Not by numpy, which may be missing on a board."""
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def checksum(output):
    if isinstance(output, list):
        return None
    return hashlib.sha256(raw(output.float().cpu().contiguous())).hexdigest()


def transfers(torch, row, scores, device):
    """Seconds to bring one input to the device, and its scores back: medians."""
    x = torch.zeros(row["shape"], dtype=getattr(torch, row["dtype"]))
    y = scores[0] if isinstance(scores, list) else scores
    there, back = [], []
    for _ in range(TRANSFERS):
        for found, move in ((there, lambda: x.to(device)), (back, lambda: y.cpu())):
            start = clock()
            move()
            torch.cuda.synchronize()
            found.append(clock() - start)
    return [median(there), median(back)]


def status_bytes(name, file="/proc/self/status"):
    """An amount of memory in one of the kernel's files; None where it does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(file).read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return None


def available_bytes():
    """Memory that a process could still get. Where GPU and CPU share one, what the GPU took is missing from it."""
    return status_bytes("MemAvailable", str(SYSROOT / "proc/meminfo"))


def taken(before, after):
    return None if before is None or after is None else before - after


# --- a network in ONNX, by TensorRT's own tool


def trtexec(job, folder, emit):
    """Runs it with the host's words and inputs, one command after the other; what it says is sent as it is."""
    with (HERE / job["inputs"]).open("rb") as opened:
        for name, size in job["input_bytes"]:
            (folder / (name + ".bin")).write_bytes(opened.read(size))
    tool = shutil.which("trtexec") or TRTEXEC
    knows = subprocess.Popen([tool, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).communicate()[0]
    places = {"{model}": str(HERE / job["artefact"]), "{folder}": str(folder)}
    runs = []
    for command in job["commands"]:
        emit("phase", phase=command["phase"])
        words = [tool]
        for choices in command["words"]:  # of several spellings of an option the first that this version has
            known = [word for word in choices if word.partition("=")[0].encode() in knows]
            words.extend(filled(word, places) for word in (known or choices)[:1])
        log = folder / "trtexec.log"
        start = clock()
        with log.open("wb") as opened:
            code = subprocess.call(
                words, stdin=subprocess.DEVNULL, stdout=opened, stderr=subprocess.STDOUT, cwd=str(folder)
            )
        output = log.read_bytes()[-LOG_BYTES:].decode("utf-8", "replace")
        runs.append({"words": words, "returncode": code, "seconds": clock() - start, "output": output})
        if code:
            break
    engine = folder / "engine"
    emit(
        "trtexec",
        runs=runs,
        times=text_of(folder / "times.json"),
        scores=[numbers(text_of(folder / "outputs.json") or "", name) for name in job["scores"]],
        engine_bytes=engine.stat().st_size if engine.exists() else None,
        # Of the largest process that has ended, which is one of these.
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        affinity=sorted(os.sched_getaffinity(0)),
        versions={"python": platform.python_version()},
    )


def filled(word, places):
    for mark, path in places.items():
        word = word.replace(mark, path)
    return word


def text_of(file):
    with contextlib.suppress(OSError):
        return file.read_text()
    return None


def numbers(text, name):
    """The numbers of one tensor among all outputs, still as text; the others are the state, and large."""
    at = text.find(f'"{name}"')
    at = text.find("[", text.find('"values"', at)) if at >= 0 else -1
    return text[at : text.find("]", at) + 1] if at >= 0 else None


ENGINES = {"aten-json": aten_json, "trtexec": trtexec}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
