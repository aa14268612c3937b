"""Two commits on the disk, with a real git."""

import subprocess
import sys

import pytest

from co3d_bench.bench.environment import ROOT
from co3d_bench.bench.errors import USAGE, UserError
from co3d_bench.bench.gate.code import checked_out, dependencies, is_commit, is_ours, repository_or_none


def git(folder, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in (1, 2):
        (folder / "value.py").write_text(f"VALUE = {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"{number}")
    return folder


def value(code):
    done = subprocess.run(
        [code.python, "-c", "import value; print(value.VALUE)"],
        capture_output=True,
        text=True,
        check=True,
        env=code.environment(),
    )
    return int(done.stdout)


def test_each_side_imports_its_own_code_and_nothing_stays_behind(repository, tmp_path):
    store = tmp_path / "store"
    with checked_out(repository, ["HEAD~1", "HEAD"], store) as (base, head):
        assert (value(base), value(head)) == (1, 2)
        assert base.name.startswith("HEAD~1 (")
        assert base.python == head.python == sys.executable
    assert not list((store / "code").iterdir())
    worktrees = subprocess.run(["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True)
    assert len(worktrees.stdout.splitlines()) == 1


def test_what_a_killed_check_left_is_in_nobodys_way(repository, tmp_path):
    store = tmp_path / "store"
    left = checked_out(repository, ["HEAD~1", "HEAD"], store)
    left.__enter__()  # and never left
    with checked_out(repository, ["HEAD~1", "HEAD"], store) as (base, head):
        assert (value(base), value(head)) == (1, 2)


def test_one_commit_may_be_compared_with_itself(repository, tmp_path):
    with checked_out(repository, ["HEAD", "HEAD"], tmp_path / "store") as (base, head):
        assert base.folder != head.folder
        assert value(base) == value(head) == 2


@pytest.mark.parametrize("word", ["no-such-branch", "--upload-pack=x", ""])
def test_a_word_that_is_no_commit_is_told(repository, tmp_path, word):
    assert not is_commit(repository, word)
    with pytest.raises(UserError, match="no commit") as error, checked_out(repository, ["HEAD", word], tmp_path):
        pass
    assert error.value.exit_code == USAGE


def test_packages_are_made_only_where_what_is_wanted_differs(repository, tmp_path):
    before = dependencies(repository)
    (repository / "value.py").write_text("VALUE = 3\n")
    assert dependencies(repository) == before
    (repository / "requirements.txt").write_text("numpy\n")
    assert dependencies(repository) != before


def test_a_checkout_of_the_tool_is_known_and_a_plain_folder_is_no_repository(tmp_path, repository):
    assert is_ours(ROOT)
    assert not is_ours(repository)
    assert repository_or_none(tmp_path) is None
    assert repository_or_none(repository / "..") is None
