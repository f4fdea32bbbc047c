"""What papers report on the benchmarks' hidden test sets, to stand beside one's own figures."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Median, mean and standard deviation in millimetres, and the paper that the method is of."""

    median: float
    mean: float
    deviation: float
    paper: str


NOW = {
    "MICA": Published(0.90, 1.11, 0.92, "Zielonka et al. 2022"),
    "SHeaP": Published(0.97, 1.22, 1.04, "Schoneveld et al. 2025"),
    "FOCUS": Published(1.04, 1.30, 1.10, "Li et al. 2023"),
    "DECA": Published(1.09, 1.38, 1.18, "Feng et al. 2021"),
    "Deep3D": Published(1.11, 1.41, 1.21, "Deng et al. 2019, PyTorch"),
    "SMIRK": Published(1.20, 1.47, 1.16, "Retsinas et al. 2024"),
    "RingNet": Published(1.21, 1.53, 1.31, "Sanyal et al. 2019"),
    "3DDFA-V2": Published(1.23, 1.57, 1.39, "Guo et al. 2020"),
    "PRNet": Published(1.50, 1.98, 1.88, "Feng et al. 2018"),
}
"""NoW challenge, test set, not metrical."""
FENG = {
    "DECA, HQ": Published(1.45, 1.89, 1.68, "Feng et al. 2021"),
    "DECA, LQ": Published(1.48, 1.91, 1.66, "Feng et al. 2021"),
}
"""Benchmark of Feng et al. (FG2018)."""
REALY = {"DECA": (2.010, 2.107), "3DDFA-V3": (1.436, 1.442), "HRN": (1.537, 1.50)}
"""REALY: the mean of the four regions' means, frontal and side views."""
