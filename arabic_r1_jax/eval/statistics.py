"""Intervals and averages of accuracies: how sure a score of n questions is.

Wilson's interval holds at small n and near 0 and 1, where the usual p +- 1.96 sqrt(p (1 - p) / n) does not. The
standard error of an unweighted average over tasks is the root of the summed squares over the number of tasks; the
published harness divides the sum of the standard errors instead, and so overstates it by about sqrt(tasks).
"""

import math
from collections.abc import Sequence

Z95 = 1.959963984540054  # 97.5% quantile of the normal distribution


def wilson(right: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The interval of proportions p with |right / n - p| <= z sqrt(p (1 - p) / n); (0, 1) when n is 0.

    Source: E. B. Wilson, "Probable inference", JASA 22 (1927).
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = right / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    # Rounding must not push an end past the proportion itself (right = 0, right = n).
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def macro_average(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """(mean, standard error) of the unweighted average of right / n over tasks, `counts` being (right, n >= 1) pairs.

    A task's squared error is p (1 - p) / (n - 1), the sample variance over n; a task of one question adds none.
    """
    shares = [right / n for right, n in counts]
    squares = (p * (1 - p) / max(n - 1, 1) for p, (_, n) in zip(shares, counts, strict=True))
    return sum(shares) / len(shares), math.sqrt(sum(squares)) / len(shares)
