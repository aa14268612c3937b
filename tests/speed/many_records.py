"""How long large stores take: a page of 10,000 records, and 100,000 records as a table.

    python tests/speed/many_records.py [--records 10000] [--loaded 100000]

The records are those that the tests invent; what is timed is reading, judging and drawing them. Each figure is a fresh
process from start to end, with its peak resident memory and the size of the page.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from co3d_bench.bench.record.record import Record
from tests.factories import DEFAULT_MODELS, make_case, make_record
from tests.runs import FIRST_RUN

REPORT = "from co3d_bench.reports.commands import write_report; from pathlib import Path; write_report(Path({store!r}))"
LOAD = "import co3d_bench; assert len(co3d_bench.load({store!r})) == {count}"


def many_runs(count: int) -> Iterator[Record]:
    """The default networks, measured again and again."""
    originals = [make_record(model) for model in DEFAULT_MODELS]
    for number in range(count):
        run = number // len(originals)
        started = FIRST_RUN + timedelta(hours=run)
        change = {"run_id": f"run-{run:06d}", "started_at": started.isoformat()}
        yield originals[number % len(originals)].model_copy(update=change)


def many_cases(count: int) -> Iterator[Record]:
    """The default networks under ever more settings, each measured once."""
    originals = [make_record(model) for model in DEFAULT_MODELS]
    backends = ("eager", "fused", "compile", "export", "onnxruntime", "openvino")
    each = list(itertools.product((1, 2, 4, 8), backends, ("fp32", "bf16", "int8")))
    settings = ((batch, *rest) for batch in itertools.count(1) for rest in each)
    for batch, threads, backend, precision in itertools.islice(settings, -(-count // len(originals))):
        for record in originals:
            case = make_case(record.case.model, batch=batch, threads=threads, backend=backend, precision=precision)
            yield record.model_copy(update={"case": case})


def write(store: Path, records: Iterator[Record], count: int) -> None:
    """So many of these records as a store."""
    store.mkdir()
    with (store / "records.jsonl").open("w") as file:
        file.writelines(record.model_dump_json() + "\n" for record in itertools.islice(records, count))


def timed(code: str) -> tuple[float, float]:
    """Seconds and peak resident megabytes of a fresh Python that runs this code."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    # Of all processes waited for so far the highest: they are started in the order of their size.
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--loaded", type=int, default=100_000)
    asked = parser.parse_args()
    works = (
        ("load", "many runs", many_runs, asked.loaded, LOAD),
        ("page", "many runs", many_runs, asked.records, REPORT),
        ("page", "many cases", many_cases, asked.records, REPORT),
    )
    print("| what | store | records | s | peak RSS so far, MB | page, MB |\n|---|---|---|---|---|---|")
    for what, kind, records, count, code in works:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            write(store, records(count), count)
            seconds, peak_mb = timed(code.format(store=str(store), count=count))
            page = store / "report.html"
            size = f"{page.stat().st_size / 1e6:.1f}" if page.exists() else ""
            print(f"| {what} | {kind} | {count} | {seconds:.1f} | {peak_mb:.0f} | {size} |", flush=True)


if __name__ == "__main__":
    main()
