"""The script that counts how often the gate is right, on a few trials."""

import json
import math
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "speed" / "gate_trials.py"


def table(tmp_path, *flags):
    pairs = {"first": [1.0] * 5, "second": [math.exp(x) for x in (-0.01, -0.002, 0.0, 0.004, 0.008)]}
    noise = {"cpu": "a fake one", "runs": 5, "cases": {"x3d-xs": pairs}}
    (tmp_path / "pairs.json").write_text(json.dumps(noise))
    command = [sys.executable, SCRIPT, "--noise", tmp_path / "pairs.json", "--simulated", "5", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_slowdown_is_found_in_little_noise_and_nothing_in_nothing(tmp_path):
    head, _, same, slower = table(tmp_path, "--noises", "recorded", "--slowdowns", "0", "0.06")
    assert head[:3] == ["noise", "injected", "regressed"]
    assert same[1:5] == ["0.0%", "0.0% (0.0% to 52.2%)", "0.0%", "100.0%"]
    assert slower[1:5] == ["6.0%", "100.0% (47.8% to 100.0%)", "0.0%", "0.0%"]
    assert 3 <= float(same[-1]) <= 12
    assert 3 <= float(slower[-1]) <= 12


def test_every_noise_and_several_cases_can_be_tried(tmp_path):
    lines = table(tmp_path, "--simulated", "1", "--slowdowns", "0", "--cases", "2")[2:]
    assert [line[0] for line in lines] == ["recorded", "in-a-row", "heavy-tails", "drifting", "second-place"]
    assert all(line[6].endswith("%") for line in lines)
