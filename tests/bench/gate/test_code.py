"""Two commits on the disk, with a real git."""

import subprocess
import sys
from pathlib import Path

import pytest

from co3d_bench.bench.errors import USAGE, UserError
from co3d_bench.bench.gate.code import (
    checked_out,
    dependencies,
    is_commit,
    is_ours,
    repository_or_none,
    uncommitted,
)
from co3d_bench.bench.gate.proof import describe
from co3d_bench.bench.record.environment import ROOT


def git(folder, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def worktrees(folder):
    done = subprocess.run(["git", "-C", str(folder), "worktree", "list"], capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


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
        # The current folder is left out as `__main__.py` does it, for Python 3.10.
        [code.python, "-c", "import sys; sys.path = list(filter(None, sys.path)); import value; print(value.VALUE)"],
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
    assert worktrees(repository) == 1


def test_two_checks_at_once_do_not_remove_each_others_code(repository, tmp_path):
    store = tmp_path / "store"
    with checked_out(repository, ["HEAD~1", "HEAD"], store) as (base, head):
        with checked_out(repository, ["HEAD~1", "HEAD"], store) as (other, _):
            assert other.folder != base.folder
        assert (value(base), value(head)) == (1, 2)


def test_what_a_killed_check_left_is_removed_by_the_next(repository, tmp_path):
    store = tmp_path / "store"
    program = (
        "import os, sys; from pathlib import Path; from co3d_bench.bench.gate.code import checked_out; "
        "held = checked_out(Path(sys.argv[1]), ['HEAD~1', 'HEAD'], Path(sys.argv[2])); held.__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, repository, store], check=False)
    assert len(list((store / "code").iterdir())) == 1
    with checked_out(repository, ["HEAD"], store):
        assert len(list((store / "code").iterdir())) == 1
    assert worktrees(repository) == 1


def test_a_relative_store_is_as_good_as_an_absolute_one(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with checked_out(repository, ["HEAD~1", "HEAD"], Path("store")) as (base, head):
        assert base.folder.is_relative_to(tmp_path.resolve() / "store")
        monkeypatch.chdir(repository)
        assert (value(base), value(head)) == (1, 2)


def test_a_colon_does_not_split_the_path(repository, tmp_path):
    with checked_out(repository, ["HEAD~1", "HEAD"], tmp_path / "a:b") as (base, head):
        assert ":" not in str(base.folder)
        assert (value(base), value(head)) == (1, 2)
    assert not base.folder.exists()
    assert worktrees(repository) == 1


def test_a_worktree_of_the_users_that_is_not_there_now_is_kept(repository, tmp_path):
    """It may lie on a disk that comes back."""
    git(repository, "worktree", "add", "--quiet", "-b", "feature", str(tmp_path / "disk"))
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    with checked_out(repository, ["HEAD~1", "HEAD"], tmp_path / "store"):
        pass
    assert worktrees(repository) == 2


def test_in_a_hook_of_git_it_looks_at_the_folder_that_it_asks_about(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    for name, where in {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index", "GIT_WORK_TREE": "."}.items():
        monkeypatch.setenv(name, str(other / where))
    assert repository_or_none(repository) == repository.resolve()
    with checked_out(repository, ["HEAD~1", "HEAD"], tmp_path / "store") as (base, head):
        assert (value(base), value(head)) == (1, 2)


def test_the_users_own_path_leads_into_the_checkout(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'lib'}:{tmp_path / 'elsewhere'}")
    with checked_out(repository, ["HEAD"], tmp_path / "store") as (head,):
        assert head.path[-2:] == (str(head.folder / "lib"), str(tmp_path.resolve() / "elsewhere"))


def test_both_sides_of_a_users_repository_are_measured_by_the_co3d_bench_that_runs(repository, tmp_path):
    with checked_out(repository, ["HEAD~1", "HEAD"], tmp_path / "store") as both:
        for side in both:
            _, described = describe(side)
            assert described.package == str(ROOT.resolve())


def test_one_commit_may_be_compared_with_itself(repository, tmp_path):
    with checked_out(repository, ["HEAD", "HEAD"], tmp_path / "store") as (base, head):
        assert base.folder != head.folder
        assert value(base) == value(head) == 2


@pytest.mark.parametrize("word", ["no-such-branch", "--upload-pack=x", ""])
def test_a_word_that_is_no_commit_is_refused(repository, tmp_path, word):
    assert not is_commit(repository, word)
    with pytest.raises(UserError, match="no commit") as error, checked_out(repository, ["HEAD", word], tmp_path):
        pass
    assert error.value.exit_code == USAGE


def test_a_repository_of_another_owner_is_refused_in_gits_own_words(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    with pytest.raises(UserError, match=r"dubious ownership .* --add safe\.directory"):
        repository_or_none(repository)


def test_a_shallow_clone_is_named_as_the_likely_reason(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), "shallow")
    with (
        pytest.raises(UserError, match="git fetch --unshallow"),
        checked_out(tmp_path / "shallow", ["HEAD~1", "HEAD"], tmp_path / "store"),
    ):
        pass


def test_changes_that_are_not_committed_are_reported_where_the_head_is_checked(repository):
    assert uncommitted(repository, ["HEAD~1", "HEAD"]) is None
    (repository / "value.py").write_text("VALUE = 3\n")
    assert "not committed" in (uncommitted(repository, ["HEAD~1", "HEAD"]) or "")
    assert uncommitted(repository, ["HEAD~1", "HEAD~1"]) is None


def test_packages_are_made_only_where_what_is_wanted_differs(repository, tmp_path):
    before = dependencies(repository)
    (repository / "value.py").write_text("VALUE = 3\n")
    assert dependencies(repository) == before
    (repository / "requirements.txt").write_text("numpy\n")
    assert dependencies(repository) != before
    (repository / "requirements.txt").unlink()
    project = repository / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["numpy"]\n')
    before = dependencies(repository)
    project.write_text('[project]\nname = "x"\ndependencies = ["numpy"]\n[tool.ruff]\nline-length = 120\n')
    assert dependencies(repository) == before
    project.write_text('[project]\ndependencies = ["numpy>=2"]\n')
    assert dependencies(repository) != before
    project.write_text("not TOML = ")
    assert dependencies(repository) != before


def test_a_checkout_of_the_tool_is_known_and_a_plain_folder_is_no_repository(tmp_path, repository):
    assert is_ours(ROOT)
    assert not is_ours(repository)
    assert repository_or_none(tmp_path) is None
    assert repository_or_none(repository / "..") is None
