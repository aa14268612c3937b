"""`python -m co3d_bench` is `co3d-bench`; with `worker` it is one measuring process, with `custom-model` it describes a
network of the user's.

By these two, `check --pair` starts the processes of a version that it knows nothing of, so these words stay as they
are while files move: a job comes in on standard input, events go out on standard output. With `--describe` it says as
JSON where its code is and which jobs it understands.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def forget_current_folder() -> None:
    """Python 3.10 does not know PYTHONSAFEPATH, and imports from the current folder first."""
    if os.environ.get("PYTHONSAFEPATH") and sys.version_info < (3, 11) and sys.path[:1] == [str(Path.cwd())]:
        del sys.path[0]


def worker(arguments: list[str]) -> int:
    """One measuring process, or what is to be known of it."""
    forget_current_folder()
    if arguments == ["--describe"]:
        from .bench.measure.job import Job

        described = {"package": os.path.realpath(Path(__file__).parent), "job": Job.model_json_schema()}
        print(json.dumps(described))  # noqa: T201 - it is the answer
        return 0
    from .bench.measure.worker import main

    return main()


if sys.argv[1:2] == ["worker"]:
    sys.exit(worker(sys.argv[2:]))
elif sys.argv[1:2] == ["custom-model"]:
    forget_current_folder()
    from .bench.plan.custom_models import main

    sys.exit(main(*sys.argv[2:]))
else:
    forget_current_folder()
    from .cli.main import main

    main()
