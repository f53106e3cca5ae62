"""Runs a scaler on the documents of a folder, as the command line does, until a signal comes."""

import sys
from pathlib import Path

import uvloop

from autoscaler.service import run_scaler
from autoscaler.settings import ScalerSettings

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    settings = ScalerSettings(
        rules=(folder / "rules",), store_url="redis://127.0.0.1:1", port=0, logs=folder / "logs"
    )
    uvloop.run(run_scaler(settings))
