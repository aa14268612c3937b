"""`python -m co3d_bench` is `co3d-bench`; with `worker` it is one measuring process, with `custom-model` it describes a
network of the user's.

By these two, `check --pair` starts the processes of a version that it knows nothing of, so these words stay as they
are while files move: a job comes in on standard input, events go out on standard output. With `--describe` it says as
JSON where its code is and which jobs it understands.
"""

import os
import sys

from .devices.own_path import leave_current_folder


def worker(arguments: list[str]) -> int:
    """One measuring process, or what is to be known of it."""
    if arguments == ["--describe"]:
        import json

        from .bench.measure.job import Job

        described = {"package": os.path.dirname(os.path.realpath(__file__)), "job": Job.model_json_schema()}  # noqa: PTH120
        print(json.dumps(described))  # noqa: T201 - it is the answer
        return 0
    from .bench.measure.worker import main

    return main()


leave_current_folder()  # before anything else is imported
if sys.argv[1:2] == ["worker"]:
    sys.exit(worker(sys.argv[2:]))
elif sys.argv[1:2] == ["custom-model"]:
    from .bench.plan.custom_models import main

    sys.exit(main(*sys.argv[2:]))
else:
    from .cli.main import main

    main()
