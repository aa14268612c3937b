import pytest
import torch


@pytest.fixture
def no_grad():
    """For tests of answers alone: pytestmark = pytest.mark.usefixtures("no_grad")."""
    with torch.no_grad():
        yield
