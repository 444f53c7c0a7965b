"""What one connection's outgoing link carries: an estimate after Google congestion control.

draft-ietf-rmcat-gcc-02, with probing, a standing-queue signal and a loss test of its own. No clock, no I/O.
"""

from sfu.flow.bandwidth.estimator import BandwidthEstimator, Source
from sfu.flow.bandwidth.probing import Probe

__all__ = ["BandwidthEstimator", "Probe", "Source"]
