"""Compiled sums over many arrangements of the same seeds: arrays in, arrays out, no checks."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dose._kernels import BLOCK, _seed_block


@njit(parallel=True, cache=True, error_model="numpy")
def sum_dose_of_arrangements(tables, centers_cm, axes, dose_per_shape, xyz_cm, out):
    """``sum_dose`` of every arrangement: out[k, i] for the seeds of ``centers_cm[k]``.

    One parallel region for all: a region for every arrangement costs more than its work. Each
    arrangement is summed by one thread, in the order of ``sum_dose``.
    """
    m = xyz_cm.shape[1]
    for k in prange(centers_cm.shape[0]):
        scratch, shape, total = np.zeros((7, BLOCK)), np.zeros(BLOCK), np.zeros(BLOCK)
        for first in range(0, m, BLOCK):
            n = min(BLOCK, m - first)
            total[:n] = 0.0
            for s in range(centers_cm.shape[1]):
                _seed_block(tables, centers_cm[k, s], axes[k, s], xyz_cm, first, n, scratch, shape)
                for i in range(n):
                    total[i] += dose_per_shape[s] * shape[i]
            for i in range(n):
                out[k, first + i] = total[i]
