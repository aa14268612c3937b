"""What `--pair` names, where nothing has to be measured to know it."""

import subprocess
from contextlib import ExitStack

import pytest

from co3d_bench.bench.errors import USAGE, UserError
from co3d_bench.bench.gate.base_and_head import select_runners


def test_head_of_somebodys_repository_is_not_taken_for_that_of_the_installed_checkout(tmp_path, monkeypatch):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init"], [*identity, "commit", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack, pytest.raises(UserError, match=r"is no repository of co3d-bench.*--model path") as wrong:
        select_runners(("HEAD", "HEAD"), None, {}, stack)
    assert wrong.value.exit_code == USAGE
