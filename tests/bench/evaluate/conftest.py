import sys
from pathlib import Path

import pytest

# The tests of this folder share networks and films.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """30 films of five classes, from a third of a second to more than a second long."""
    import moving

    return moving.make_films(tmp_path_factory.mktemp("moving") / "films", each=6)
