"""`python -m benchmarks.adaptive.recorder DIR serve ...`: the daemon, with what its estimators are told kept in DIR.

A file for each client that has reported on what it got, named by the order in which they came. It is written when the
daemon has ended. Everything runs in Python: the native engine sends without the estimator's hearing of each packet.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.adaptive.recording import SUFFIX, Recording, RecordingEstimator, Reported, write
from sfu import cli
from sfu.forwarding import engine
from sfu.forwarding.egress import Egress
from sfu.forwarding.outlet import Outlet


class _Engine(engine.Engine):
    def __init__(self) -> None:
        self.estimators: list[RecordingEstimator] = []

    def egress(self, outlet: Outlet) -> Egress:
        estimator = RecordingEstimator()
        self.estimators.append(estimator)
        return Egress(outlet, estimator)

    def recordings(self) -> list[Recording]:
        told = [each for each in self.estimators if any(isinstance(event, Reported) for event in each.events)]
        return [each.recording() for each in told]


def main(folder: Path, *arguments: str) -> int:
    """Run the daemon; its exit code."""
    engine.PYTHON = recording = _Engine()
    code = cli.main([*arguments, "--engine", "python"])
    for number, each in enumerate(recording.recordings()):
        write(folder / f"{number}{SUFFIX}", each)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
