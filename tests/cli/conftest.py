import sys
from functools import partial
from pathlib import Path

import pytest

from .. import command

# The verbs are tried on the tiny networks of bench's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))


@pytest.fixture
def call(tmp_path):
    """The command line in this process and in an empty folder."""
    return partial(command.call, tmp_path)
