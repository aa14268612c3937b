"""How often the gate is right, by trials with noise that was recorded on a real host.

    python tests/speed/gate_trials.py record [--models x3d-xs cox3d-s-13] [--pairs 40] [--runs 60] [--noise FILE]
    python tests/speed/gate_trials.py [--simulated 2000] [--slowdowns 0 0.025 0.05 0.1 0.3] [--noises ...] [--cases 1]
        [--max-slowdown 0.05] [--noise FILE]
    python tests/speed/gate_trials.py real [--trials 20] [--slowdowns 0 0.05] [--work arrays|network]

`record` runs pairs of fresh processes of the same code and keeps the figures of both; it wants an idle machine, writes
after every pair and goes on with a file that is there. Without it, trials are made from such a file: the verdict of
the gate on pairs whose ratio is the injected slowdown times a recorded ratio of equal code. Printed, as Markdown: the
share of trials with each verdict. Nothing is tuned to what comes out; the rule is the gate's own.

`real` runs whole checks of real processes on this machine at the default settings, head slower by a known share:
`arrays` is a command that multiplies and adds arrays of numpy, the head so much more often (200 times, 210 for 5 %);
`network` is X3D-XS measured by co3d-bench's workers, the head working on for that share of each call's time.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from co3d_bench.bench.gate.schedule import Ratios, next_round
from co3d_bench.bench.stats.compare.pairs import host_noise, judge_pairs
from co3d_bench.bench.stats.compare.rule import PairRule

RECORDED = Path(__file__).parent / "data" / "pairs.json"
METRIC = "latency"
SECOND_PLACE = math.log(1.03)  # what the second process of a pair loses where the place matters

ARRAYS = Path(__file__).with_name("array_work.py")
ARRAY_REPEATS = 200  # so that 5 % more is a whole number, 10
# Two networks of the user's own, one of which works on for a share of each call's time.
NETWORKS = """
import time
import torch
from co3d_bench.models.zoo import find_model


class Longer(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.input_shape = net.input_shape

    def forward(self, clip):
        start = time.perf_counter()
        scores = self.net(clip)
        until = start + (time.perf_counter() - start) * (1 + {slowdown})
        while time.perf_counter() < until:
            pass
        return scores


def base():
    return find_model("x3d-xs").build()


def head():
    return Longer(base()) if {slowdown} else base()
"""

# So many pairs in a row: ln(second / first) of each.
Noise = Callable[[np.random.Generator, int], np.ndarray]


def recorded(log_ratios: np.ndarray) -> Noise:
    """Any of the recorded pairs, each drawn by itself."""
    return lambda generator, count: generator.choice(log_ratios, count)


def in_a_row(log_ratios: np.ndarray) -> Noise:
    """Recorded pairs as they followed each other, from any of them on."""
    return lambda generator, count: np.take(
        log_ratios, generator.integers(len(log_ratios)) + np.arange(count), mode="wrap"
    )


def heavy_tails(log_ratios: np.ndarray) -> Noise:
    """As wide as the recorded ones in the middle, with Student's tails of 2 degrees of freedom: no variance at all."""
    spread = _spread(log_ratios)
    scale = spread * scipy_stats.norm.ppf(0.75) / scipy_stats.t.ppf(0.75, df=2)
    return lambda generator, count: scale * generator.standard_t(2, count)


def drifting(log_ratios: np.ndarray) -> Noise:
    """Normal, on a host whose speed goes up and down in waves of 6 to 60 processes, twice the noise in height."""
    spread = _spread(log_ratios)

    def draw(generator: np.random.Generator, count: int) -> np.ndarray:
        phase, period = generator.uniform(0, 2 * math.pi), generator.uniform(6, 60)
        level = 2 * spread * np.sin(phase + 2 * math.pi * np.arange(2 * count) / period)
        return level[1::2] - level[::2] + spread * generator.standard_normal(count)

    return draw


def second_place(log_ratios: np.ndarray) -> Noise:
    """The recorded pairs on a host where the second process of a pair is 3 % slower."""
    return lambda generator, count: SECOND_PLACE + generator.choice(log_ratios, count)


NOISES: dict[str, Callable[[np.ndarray], Noise]] = {
    "recorded": recorded,
    "in-a-row": in_a_row,
    "heavy-tails": heavy_tails,
    "drifting": drifting,
    "second-place": second_place,
}


def _spread(log_ratios: np.ndarray) -> float:
    """Standard deviation that normal noise of the same quartiles would have."""
    return float(scipy_stats.iqr(log_ratios, scale="normal"))


@dataclass(frozen=True)
class Outcome:
    """What became of one trial."""

    verdict: str  # of the case with the slowdown
    others_regressed: int  # cases without one that were called slower
    pairs: int  # of all cases, those of A/A included


def trial(generator: np.random.Generator, noise: Noise, slowdown: float, cases: int, rule: PairRule) -> Outcome:
    """One check of so many cases, the first of which got slower: pair by pair, as the gate asks for them."""
    # One series for a case, in the order of running, so that a host that drifts does so through all of it.
    series = {f"case {number}": iter(noise(generator, 2 * rule.max_replicates)) for number in range(cases)}
    injected = {key: math.log1p(slowdown) if key == "case 0" else 0.0 for key in series}
    ratios = {key: Ratios() for key in series}
    while due := next_round(ratios, rule):
        for pair in due:
            found = next(series[pair.case]) if pair.order[0] == "base" else -next(series[pair.case])
            so_far = ratios[pair.case]
            if pair.stage == "A/A":
                so_far = replace(so_far, controls=(*so_far.controls, math.exp(found)))
            else:
                so_far = replace(so_far, pairs=(*so_far.pairs, math.exp(injected[pair.case] + found)))
            ratios[pair.case] = so_far
    disturbed = host_noise([each for found in ratios.values() for each in found.controls], rule, cases)
    verdicts = [judge_pairs(each.pairs, rule, cases, disturbed).verdict for each in ratios.values()]
    pairs = sum(len(each.pairs) + len(each.controls) for each in ratios.values())
    return Outcome(verdicts[0], verdicts[1:].count("regressed"), pairs)


def row(name: str, ratios: Sequence[np.ndarray], slowdown: float, options: argparse.Namespace, rule: PairRule) -> str:
    """A line of the table: all trials of one kind of noise and one slowdown, the recorded cases taking turns."""
    noises = [NOISES[name](each) for each in ratios]
    generator = np.random.default_rng(options.seed)
    outcomes = [
        trial(generator, noises[number % len(noises)], slowdown, options.cases, rule)
        for number in range(options.simulated)
    ]
    count = Counter(outcome.verdict for outcome in outcomes)
    others = sum(outcome.others_regressed > 0 for outcome in outcomes)
    known = scipy_stats.binomtest(count["regressed"], len(outcomes)).proportion_ci()
    shares = (f"{count[verdict] / len(outcomes):.1%}" for verdict in ("improved", "equivalent", "inconclusive"))
    return _line(
        name,
        f"{slowdown:.1%}",
        f"{count['regressed'] / len(outcomes):.1%} ({known.low:.1%} to {known.high:.1%})",
        *shares,
        f"{others / len(outcomes):.1%}" if options.cases > 1 else "-",
        f"{np.mean([outcome.pairs for outcome in outcomes]):.1f}",
    )


def simulate(options: argparse.Namespace) -> None:
    """Print the table."""
    noise = json.loads(options.noise.read_text())
    ratios = [np.log(np.divide(case["second"], case["first"])) for case in noise["cases"].values()]
    rule = PairRule(max_slowdown=options.max_slowdown)
    for key, each in zip(noise["cases"], ratios, strict=True):
        print(
            f"{key}: {len(each)} pairs of {noise['runs']} samples on {noise['cpu']}; ln(second / first): "
            f"median {np.median(each):+.4f}, standard deviation {np.std(each, ddof=1):.4f}, by quartiles "
            f"{_spread(each):.4f}"
        )
    print(f"{options.simulated} trials a line, {options.cases} cases a check, {rule}\n")
    heads = ("noise", "injected", "regressed", "improved", "equivalent", "inconclusive", "another regressed", "pairs")
    print(_line(*heads), _line(*["---"] * len(heads)), sep="\n")
    for name in options.noises:
        for slowdown in options.slowdowns:
            print(row(name, ratios, slowdown, options, rule), flush=True)


def record(options: argparse.Namespace) -> None:
    """Run the pairs as a check does, the models interleaved, and keep their figures."""
    from co3d_bench.bench.gate.measure import measure_pair
    from co3d_bench.bench.gate.runners import Processes
    from co3d_bench.bench.gate.schedule import Pair
    from co3d_bench.bench.measure.job import Job
    from co3d_bench.bench.plan.catalog import Catalog
    from co3d_bench.bench.record.case import Case
    from co3d_bench.bench.record.environment import read_versions
    from co3d_bench.bench.run.stop import Stop
    from co3d_bench.devices.host import read_host

    found: dict[str, Any] = {"runs": options.runs, "metric": METRIC, "cases": {}}
    if options.noise.exists():
        found = json.loads(options.noise.read_text())
        if found["runs"] != options.runs:
            raise SystemExit(f"{options.noise} holds pairs of {found['runs']} samples: give --runs {found['runs']}")
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Catalog(), 600.0)
    pair = Pair("", "A/A", 0, ("base", "head"))
    with Stop() as stop:
        for number in range(options.pairs):
            for model in options.models:
                case = Case(model=model, threads=2)
                measured = measure_pair(case, pair, options.runs, {"base": side, "head": side}, stop)
                if isinstance(measured, str):
                    raise SystemExit(f"{model}: {measured}; {options.noise} has what was measured before")
                host = read_host()
                found["cpu"], found["versions"] = host.cpu_model, read_versions()
                figures = [1e3 * measured.base.value_s, 1e3 * measured.head_s]
                kept = found["cases"].setdefault(model, {"first": [], "second": []})
                for place, value in zip(kept, figures, strict=True):
                    kept[place].append(round(value, 4))
                print(f"{number + 1} of {options.pairs}: {model} {figures[0]:.3f} {figures[1]:.3f} ms", flush=True)
                options.noise.parent.mkdir(parents=True, exist_ok=True)
                options.noise.write_text(json.dumps(found, indent=1) + "\n")


def real(options: argparse.Namespace) -> None:
    """Whole checks, one after the other; a line each as it ends, then a line for each slowdown."""
    from co3d_bench.bench.gate.check import PairCheck, check_pair

    rule = PairRule(max_slowdown=options.max_slowdown)
    lines = []
    for slowdown in options.slowdowns:
        count: Counter[str] = Counter()
        for number in range(options.trials):
            with tempfile.TemporaryDirectory() as folder:
                case, runners = _runners(options.work, slowdown, Path(folder))
                begin = time.monotonic()
                (found,) = check_pair(PairCheck((case,), runners, rule, Path(folder)), lambda text: None).findings
            verdict, estimate, spread = found.status, "", ""
            if found.judgement is not None:
                verdict = found.judgement.verdict
                each = found.judgement.estimate
                estimate = f"{each.slowdown:.4f}" if each else ""
                spread = f"{each.sigma:.4f}" if each and each.sigma is not None else ""
            count[verdict] += 1
            seconds = f"{time.monotonic() - begin:.0f} s"
            said = found.judgement.why if found.judgement else str(found.note)
            print(
                _line(options.work, f"{slowdown:.1%}", str(number + 1), verdict, estimate, spread, seconds, said),
                flush=True,
            )
        regressed = count["regressed"]
        known = scipy_stats.binomtest(regressed, options.trials).proportion_ci()
        shares = (str(count[verdict]) for verdict in ("improved", "equivalent", "inconclusive"))
        found_words = f"{regressed} of {options.trials} ({known.low:.1%} to {known.high:.1%})"
        lines.append(_line(options.work, f"{slowdown:.1%}", found_words, *shares))
    heads = ("work", "injected", "regressed", "improved", "equivalent", "inconclusive")
    print("", _line(*heads), _line(*["---"] * len(heads)), *lines, sep="\n")


def _runners(work: str, slowdown: float, folder: Path) -> tuple[Any, Any]:
    """A case, and what runs base and head of it."""
    from co3d_bench.bench.gate.runners import command_runner, factory_runner
    from co3d_bench.bench.plan.catalog import Catalog
    from co3d_bench.bench.record.case import Case

    if work == "arrays":
        repeats = {"base": ARRAY_REPEATS, "head": round(ARRAY_REPEATS * (1 + slowdown))}
        words = {
            name: f"env OPENBLAS_NUM_THREADS=1 {sys.executable} {ARRAYS} {count}" for name, count in repeats.items()
        }
        runners = {name: command_runner(each, 600.0) for name, each in words.items()}
        return Case(model="command", backend="none", input="none"), runners
    file = folder / "networks.py"
    file.write_text(NETWORKS.format(slowdown=slowdown))
    runners = {
        name: factory_runner(f"{file}:{name}", "x3d-xs-own", Catalog(), 600.0, sys.executable)
        for name in ("base", "head")
    }
    return Case(model="x3d-xs-own", threads=2), runners


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


VERBS: dict[str, Callable[[argparse.Namespace], None]] = {
    "simulate": simulate,
    "record": record,
    "real": real,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", nargs="?", choices=tuple(VERBS), default="simulate")
    parser.add_argument("--noise", type=Path, default=RECORDED, help="the file of recorded pairs")
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "cox3d-s-13"])
    parser.add_argument("--pairs", type=int, default=40, help="of each model, to record")
    parser.add_argument("--runs", type=int, default=60, help="samples of each process, to record")
    parser.add_argument("--simulated", type=int, default=2000, metavar="TRIALS")
    parser.add_argument("--slowdowns", nargs="+", type=float)
    parser.add_argument("--trials", type=int, default=20, help="real ones, of each slowdown")
    parser.add_argument("--work", choices=("arrays", "network"), default="arrays")
    parser.add_argument("--noises", nargs="+", choices=tuple(NOISES), default=list(NOISES))
    parser.add_argument("--cases", type=int, default=1, help="judged at once; only the first one is slower")
    parser.add_argument("--max-slowdown", type=float, default=PairRule().max_slowdown)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.slowdowns = options.slowdowns or ([0.0, 0.05] if options.do == "real" else [0.0, 0.025, 0.05, 0.1, 0.3])
    VERBS[options.do](options)


if __name__ == "__main__":
    main()
