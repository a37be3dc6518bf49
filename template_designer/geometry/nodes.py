"""Nodes that distances to a solid are kept on: a box of them, filled piece by piece as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry._kernels import CHUNK, signed_distance_layers

NODE_MM = 1.0
"""Spacing of the in-plane distance nodes."""

FAR_MM = 60.0
"""Distances are followed up to here; what is farther is reported as this far."""

FAR_AT_NODES_MM = FAR_MM + 3.0 * NODE_MM
"""Beyond this a node need not be exact: a cell with such a corner is reported as FAR_MM."""


@dataclass(frozen=True, slots=True)
class NodeBox:
    """Columns, rows (counted in nodes from u = v = 0) and slabs, each from a first up to an end."""

    columns: tuple[int, int]
    rows: tuple[int, int]
    slabs: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, slabs."""
        (c0, c1), (r0, r1), (s0, s1) = self.columns, self.rows, self.slabs
        return r1 - r0, c1 - c0, s1 - s0

    @property
    def empty(self) -> bool:
        """Whether there is no node."""
        return min(self.shape) <= 0

    def at(self, other: NodeBox) -> tuple[slice, slice, slice]:
        """Where another box lies in the array of this one: rows, columns, slabs."""
        pairs = zip(
            (self.rows, self.columns, self.slabs),
            (other.rows, other.columns, other.slabs),
            strict=True,
        )
        rows, columns, slabs = (slice(b[0] - a[0], b[1] - a[0]) for a, b in pairs)
        return rows, columns, slabs

    def without(self, inner: NodeBox) -> list[NodeBox]:
        """Boxes that fill this one outside another that lies in it."""
        if self.empty or inner.empty:
            return [] if self.empty else [self]
        pieces, rest = [], self
        for axis in ("slabs", "rows", "columns"):
            (low, high), (first, end) = getattr(rest, axis), getattr(inner, axis)
            if low < first:
                pieces.append(replace(rest, **{axis: (low, first)}))
            if end < high:
                pieces.append(replace(rest, **{axis: (end, high)}))
            rest = replace(rest, **{axis: (first, end)})
        return pieces


def fill_nodes(
    box: NodeBox,
    edges: Sequence[NDArray[np.float64]],
    known: NodeBox | None = None,
    layers: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """In-plane signed distances at the nodes of a box, and the least of each :data:`CHUNK` slabs.

    Parameters
    ----------
    box : NodeBox
    edges : sequence of (m, 4) ndarray
        Edges of each slab of the box.
    known, layers : NodeBox and (slabs, rows, columns) ndarray, optional
        A box inside this one whose nodes are known, and their distances.

    Returns
    -------
    layers, nearest : (slabs, rows, columns) and (chunks, rows, columns) ndarray
    """
    # in memory the slabs of one node lie side by side: a query walks from slab to slab
    nodes = np.zeros(box.shape, dtype=np.float32)
    if box.empty:
        return nodes.transpose(2, 0, 1), nodes.transpose(2, 0, 1)
    pieces = [box]
    if known is not None and layers is not None:
        pieces = box.without(known)
        if not known.empty:
            nodes[box.at(known)] = layers.transpose(1, 2, 0)
    for piece in pieces:
        rows, columns, slabs = piece.shape
        first = piece.slabs[0] - box.slabs[0]
        parts = edges[first : first + slabs]
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        made = np.zeros((slabs, rows, columns), dtype=np.float32)
        signed_distance_layers(
            np.vstack(parts),
            starts,
            NODE_MM * piece.columns[0],
            NODE_MM * piece.rows[0],
            NODE_MM,
            made,
            FAR_AT_NODES_MM,
        )
        nodes[box.at(piece)] = made.transpose(1, 2, 0)
    every = nodes.transpose(2, 0, 1)
    starts = np.arange(0, box.shape[2], CHUNK)
    return every, np.minimum.reduceat(every, starts, axis=0)
