"""StateSpace: the matrix exponential of the states and the constant inputs behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
from library.solutions import Given, Numbers, Solution
from scipy.linalg import expm  # type: ignore[import-untyped]

OSCILLATOR: dict[str, Any] = {
    "n": 2,
    "m": 1,
    "r": 3,
    "A": [[0, 1], [-4, -0.4]],
    "B": [[0], [2]],
    "C": [[1, 0], [0, 1], [1, -1]],
    "D": [[0], [0], [0.5]],
    "x0": [1, -1],
    "u": [1.5],
}
LARGER: dict[str, Any] = {
    "n": 4,
    "m": 2,
    "r": 1,
    "A": [[-1, 0.5, 0, 0], [-0.5, -1, 0.1, 0], [0, 0, -0.2, 1], [0, 0.3, -1, -0.2]],
    "B": [[1, 0], [0, 1], [2, 0], [0, -1]],
    "C": [[1, 2, 3, 4]],
    "D": [[0.25, -0.5]],
    "x0": [1, 0, 0, -1],
    "u": [0.5, -1],
}


def _response(time: Numbers, p: Given) -> dict[str, Numbers]:
    a, b = np.array(p["A"], float), np.array(p["B"], float)
    c, d = np.array(p["C"], float), np.array(p["D"], float)
    u = np.array(p["u"], float)
    n, m = len(a), len(u)
    joined = np.zeros((n + m, n + m))
    joined[:n, :n], joined[:n, n:] = a, b
    start = np.concatenate([np.array(p["x0"], float), u])
    x = np.array([(expm(joined * t) @ start)[:n] for t in time]).T
    y = c @ x + (d @ u)[:, None]
    return {f"x[{i + 1}]": row for i, row in enumerate(x)} | {
        f"y[{i + 1}]": row for i, row in enumerate(y)
    }


SOLUTION = Solution(
    model="StateSpace",
    defaults={
        "A": [[-1, 0, 0], [1, -1, 0], [0, 1, -1]],
        "B": np.eye(3).tolist(),
        "C": np.eye(3).tolist(),
        "D": np.zeros((3, 3)).tolist(),
        "x0": [0, 0, 0],
        "u": [1, 0, 0],
    },
    exact=_response,
    others=(
        {"A": [[1, 0, 0], [0, -3, 2], [0, -2, -3]], "x0": [0.1, 1, -1], "u": [1, 2, 3]},
        OSCILLATOR,
        LARGER,
    ),
    within=1e-6,
)
