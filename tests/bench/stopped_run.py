"""The verb `run` over the networks of quick.py, with a table and a page that say only of how many records they are:
`python stopped_run.py FOLDER MODELS`. For the tests that stop it in the middle."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import quick

import co3d_bench.bench.run.run
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.store import read_records
from co3d_bench.bench.run.ready import make_plan
from co3d_bench.cli import run as running
from co3d_bench.cli.boards import Wanted


class Reports:
    """In the place of both modules of `reports` that the verb uses."""

    @staticmethod
    def accuracy_records(out):
        return []

    @staticmethod
    def render_table(records, scored=()):
        return f"table of {len(records)}"

    @staticmethod
    def write_report(out):
        page = Path(out) / "report.html"
        page.write_text(f"page of {len(read_records(out))}")
        return page


def main(folder, models):
    sys.modules["co3d_bench.reports.tables.terminal"] = sys.modules["co3d_bench.reports.commands"] = Reports
    measure = co3d_bench.bench.run.run.run
    co3d_bench.bench.run.run.run = functools.partial(measure, worker=quick.WORKER)
    made = quick.configured(folder, models.split(","), processes=2)
    plan = make_plan(made)
    try:
        running.run_here(made, plan, Wanted(dry_run=False, resume=False, retry_failed=False, dashboard=False))
    except UserError as error:
        print(f"co3d-bench: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
