"""Outlines of voxel masks: rings along the edges of pixels, slice by slice.

A slice's rings enclose its pixels exactly: no part of a pixel is lost and none is added, so the
area is the number of pixels times their size. Pixels that touch at a corner only are apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pixel_rings(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Rings along the pixel edges of one slice.

    Parameters
    ----------
    mask : (rows, columns) ndarray of bool
        Pixel ``[r, c]`` covers ``r - 0.5 .. r + 0.5`` and ``c - 0.5 .. c + 0.5``.

    Returns
    -------
    list of (n, 2) ndarray
        Corners (row, column) of simple rings, the first not repeated; combined by exclusive or
        they give the mask. Rings share corners, never edges.
    """
    row, column, right, down = _corners(mask)
    beside = _partners(np.lexsort((right, column, row)))
    above = _partners(np.lexsort((down, row, column)))
    places = (row * (mask.shape[1] + 1) + column).tolist()
    rings: list[list[int]] = []
    done = np.zeros(len(row), dtype=np.bool_).tolist()
    for start in range(len(row)):
        if done[start]:
            continue
        path: list[int] = []
        at: dict[int, int] = {}  # place: position in the path
        corner, turn = start, 0
        while not done[corner]:
            done[corner] = True
            first = at.get(places[corner])
            if first is not None:  # the ring touches itself: what it went round is a ring
                rings.append(path[first:])
                for other in path[first + 1 :]:
                    del at[places[other]]
                del path[first + 1 :]
            else:
                at[places[corner]] = len(path)
                path.append(corner)
            corner = (beside if turn % 2 == 0 else above)[corner]
            turn += 1
        rings.append(path)
    corners = np.column_stack([row, column]).astype(np.float64) - 0.5
    return [corners[ring] for ring in rings]


def _corners(
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where outlines turn: row, column, whether they leave to the right, whether downwards.

    Where two pixels touch by their corners there are two such turns at one place.
    """
    padded = np.pad(mask, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    single = (nw ^ ne ^ sw ^ se) & True
    falling = nw & se & ~ne & ~sw  # touching pixels at upper left and lower right
    rising = ne & sw & ~nw & ~se
    parts = []
    for where, right, down in (
        (single, ne ^ se, sw ^ se),
        (falling, False, False),
        (falling, True, True),
        (rising, True, False),
        (rising, False, True),
    ):
        rows, columns = np.nonzero(where)
        sides = [
            np.asarray(side)[rows, columns] if np.ndim(side) else np.full(len(rows), side)
            for side in (right, down)
        ]
        parts.append(np.stack([rows, columns, *sides]).astype(np.int64))
    row, column, right_side, down_side = np.hstack(parts)
    return row, column, right_side, down_side


def _partners(order: NDArray[np.intp]) -> list[int]:
    """Corners in order along their lines: each even one is joined to the next."""
    partner = np.zeros(len(order), dtype=np.intp)
    partner[order[0::2]] = order[1::2]
    partner[order[1::2]] = order[0::2]
    return [int(n) for n in partner]


def mask_rings_lps_mm(
    mask: NDArray[np.bool_],
    first: tuple[int, int, int],
    origin_lps_mm: NDArray[np.float64],
    steps_lps_mm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Rings of all slices of a mask in the patient.

    Parameters
    ----------
    mask : (slices, rows, columns) ndarray of bool
        A block cut out of the volume.
    first : tuple of int
        Slice, row and column of the block's first voxel in the volume.
    origin_lps_mm : (3,) ndarray
        Centre of the volume's first voxel, LPS, mm.
    steps_lps_mm : (3, 3) ndarray
        LPS steps from slice to slice, row to row, column to column, mm.

    Returns
    -------
    tuple of (n, 3) ndarray
        On the planes through the voxel centres, LPS, mm.
    """
    rings = []
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        plane = origin_lps_mm + (first[0] + int(k)) * steps_lps_mm[0]
        for ring in pixel_rings(mask[k]):
            rings.append(plane + (ring + np.array(first[1:])) @ steps_lps_mm[1:])
    return tuple(rings)
