"""A linear programme built block by block, and a lower bound on it that is proved here."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

Blocks = Sequence[tuple[slice, NDArray[np.float64] | sparse.spmatrix]]
ExtraRows = tuple[Blocks, NDArray[np.float64]]

ROUNDING = 1e-7
"""Part of a bound that is given away for rounding: sums of some thousand terms err by 1e-12."""


class LinearProgram:
    """Least ``cost @ x`` with ``rows @ x <= right`` and ``0 <= x <= upper``."""

    def __init__(self) -> None:
        self._cost: list[NDArray[np.float64]] = []
        self._upper: list[NDArray[np.float64]] = []
        self._blocks: list[tuple[int, int, sparse.coo_matrix]] = []  # first row, first column
        self._right: list[NDArray[np.float64]] = []
        self.n_columns = 0
        self.n_rows = 0

    def columns(self, cost: NDArray[np.float64], upper: float = 1.0) -> slice:
        """Add variables; returns where they stand."""
        first, self.n_columns = self.n_columns, self.n_columns + len(cost)
        self._cost.append(np.asarray(cost, dtype=np.float64))
        self._upper.append(np.full(len(cost), upper))
        return slice(first, self.n_columns)

    def rows(self, blocks: Blocks, right: NDArray[np.float64]) -> None:
        """Add ``sum(matrix @ x[columns]) <= right``."""
        for columns, matrix in blocks:
            block = sparse.coo_matrix(matrix)
            if block.shape != (len(right), columns.stop - columns.start):
                raise ValueError(
                    f"a block of {block.shape} cannot stand in {len(right)} rows and columns "
                    f"{columns.start} to {columns.stop}"
                )
            self._blocks.append((self.n_rows, columns.start, block))
        self._right.append(np.asarray(right, dtype=np.float64))
        self.n_rows += len(right)

    def cost(self) -> NDArray[np.float64]:
        """The prices, (columns,)."""
        return np.concatenate(self._cost)

    def lower_bound(
        self, cost: NDArray[np.float64] | None = None, extra: ExtraRows | None = None
    ) -> float:
        """A number that no feasible ``x`` costs less than.

        HiGHS proposes the prices ``y >= 0`` of the rows; whatever they are, weak duality gives
        ``cost @ x >= cost @ x + y @ (rows @ x - right) >= sum(min(0, cost + rows.T @ y) * upper)
        - y @ right``. The last is computed here, so that the bound rests on no tolerance and no
        status of the solver: poor prices give a low bound, never a wrong one.

        Parameters
        ----------
        cost : (columns,) ndarray, optional
            Other prices than those the columns were made with.
        extra : blocks and right, optional
            Rows as for :meth:`rows`, for this time only.
        """
        if extra is not None:
            more = copy(self)
            more._blocks, more._right = [*self._blocks], [*self._right]
            more.rows(*extra)
            return more.lower_bound(cost)
        matrix, right, upper = self.arrays()
        cost = self.cost() if cost is None else cost
        found = linprog(
            cost,
            A_ub=matrix,
            b_ub=right,
            bounds=np.column_stack([np.zeros_like(upper), upper]),
            method="highs-ds",
        )
        prices = np.zeros(len(right))
        if found.status == 0:
            prices = np.maximum(-found.ineqlin.marginals, 0.0)
        bound = float(np.minimum(0.0, cost + matrix.T @ prices) @ upper - prices @ right)
        return bound - ROUNDING * (1.0 + abs(bound))

    def arrays(self) -> tuple[sparse.csr_matrix, NDArray[np.float64], NDArray[np.float64]]:
        """Rows, their right sides, the upper limits of the columns."""
        rows = [first + block.row for first, _, block in self._blocks]
        columns = [first + block.col for _, first, block in self._blocks]
        values = [block.data for _, _, block in self._blocks]
        where = (np.concatenate(rows), np.concatenate(columns))
        shape = (self.n_rows, self.n_columns)
        matrix = sparse.csr_matrix((np.concatenate(values), where), shape=shape)
        return matrix, np.concatenate(self._right), np.concatenate(self._upper)
