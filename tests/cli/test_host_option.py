"""`--host`: where the one device of the command line is."""

from __future__ import annotations

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.plan.config import load_config
from co3d_bench.cli.options import overrides


def test_it_is_laid_over_the_table_of_the_device(tmp_path):
    file = tmp_path / "bench.toml"
    file.write_text('plan.models = "x3d-xs"\n[devices.xavier]\npython = "/opt/python3"\nhost = "old"\n')
    config = load_config(file, overrides(devices=["xavier"], host="me@new.local"))
    profile = config.profiles["xavier"]
    assert (profile.host, profile.python) == ("me@new.local", "/opt/python3")
    assert config.plan.devices == ("xavier",)


@pytest.mark.parametrize(
    ("devices", "host", "says"),
    [
        (None, "board", "--host goes with one --device"),
        (["tx2", "xavier"], "board", "--host goes with one --device"),
        (["tx2"], "-oProxyCommand=x", "--host: '-oProxyCommand=x': must be host or user@host"),
    ],
)
def test_what_it_cannot_be(devices, host, says):
    with pytest.raises(UserError) as caught:
        overrides(devices=devices, host=host)
    assert says in caught.value.message
