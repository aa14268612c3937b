from pathlib import Path

from co3d_bench.bench import cli
from co3d_bench.bench.errors import EXIT_CODES

BENCH = Path(cli.__file__).parent


def test_the_readme_has_the_exit_codes():
    readme = (BENCH / "README.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in readme


def test_the_readme_names_every_file():
    readme = (BENCH / "README.md").read_text()
    for file in BENCH.glob("[a-z]*.py"):
        assert f"`{file.name}`" in readme, file.name
