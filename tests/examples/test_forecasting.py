"""examples/forecasting.py forecasts sunspots and draws them, here with a small network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_a_forecast_is_printed_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("statsmodels")
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.svg"
    script = ROOT / "examples" / "forecasting.py"
    done = subprocess.run(
        [sys.executable, str(script), "--picture", str(picture), "--members=1", "--epochs=1"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
    )
    years = re.findall(r"(\d+): +(\S+), with 80 % between +(\S+) and +(\S+)", done.stdout)
    assert [int(year) for year, *_ in years] == list(range(1987, 2009))
    assert all(float(low) < float(median) < float(high) for _, median, low, high in years)
    assert picture.read_text().count("<svg") == 1
