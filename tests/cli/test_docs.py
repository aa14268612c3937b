from pathlib import Path

from co3d_bench.bench.errors import EXIT_CODES
from co3d_bench.cli import main as cli

README = (Path(cli.__file__).parent / "README.md").read_text()


def test_the_readme_has_the_exit_codes():
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in README
