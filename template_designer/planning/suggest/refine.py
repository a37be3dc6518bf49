"""``[entry] refine = true``: the best lattice offset and rotation within a given plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from template_designer import frames
from template_designer.errors import CaseError, NoSafePlanError
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, EntrySettings, ImageVolume, PlanWarning
from template_designer.planning.approach import LARGEST_GAP_MM
from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.exact import Patient, turn_deg, with_region
from template_designer.planning.suggest.search import (
    CHILDREN,
    MOST_TURN_DEG,
    ROUNDS,
    merit,
)
from template_designer.planning.suggest.space import SearchSpace, build_space

STARTS = 12
"""Rotations and offsets that the search begins from, beside the plane as it is."""

WORKED_OUT = 3
"""Best candidates that are worked out exactly beside the plane as it is."""

_SEED = 45


def refined_entry(
    settings: CaseSettings,
    entry: EntrySettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    target: Solid,
    source: SeedModel,
) -> EntrySettings:
    """The entry with the lattice offset (half a pitch) and rotation (45 degrees) that serve best.

    The needles keep their direction and the plate its plane. What is returned reaches at least as
    much of the target as the entry given, worked out exactly; where nothing is gained it is the
    entry itself. ``refine`` is false in it: it states what was found.

    Parameters
    ----------
    settings, entry, image, solids, target, source
        As for :func:`template_designer.planning.approach.prepare_approach`.

    Raises
    ------
    CaseError
        If the plate cannot stand on the skin at the entry given.
    """
    plain = entry.model_copy(update={"refine": False})
    try:
        space = build_space(settings, image, solids, target, source)
    except NoSafePlanError:
        return plain  # design says in its own words that no needle leads to the target
    space.numbers[k.MOST_GAP] = LARGEST_GAP_MM  # as far off the skin as design lets a plate stand
    candidates = _candidates(space, settings, plain)
    patient = Patient(settings, image, solids, target, source)
    patient = with_region(patient, space, (plain, *candidates))
    best, most = plain, _reach_pct(patient, plain)
    for candidate in candidates:
        try:
            reach = _reach_pct(patient, candidate)
        except CaseError:
            continue
        if reach > most + 1e-9:
            best, most = candidate, reach
    return best


def refine_entries(
    settings: CaseSettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    target: Solid,
    source: SeedModel,
) -> tuple[CaseSettings, tuple[PlanWarning, ...]]:
    """Settings with every entry that asks for it refined, and what was done."""
    entries, notes = [], []
    for number, entry in enumerate(settings.entry, start=1):
        if entry.refine:
            refined = refined_entry(settings, entry, image, solids, target, source)
            notes.append(refinement_note(f"T{number}", entry, refined))
            entry = refined
        entries.append(entry)
    return settings.model_copy(update={"entry": tuple(entries)}), tuple(notes)


def refinement_note(name: str, entry: EntrySettings, refined: EntrySettings) -> PlanWarning:
    """What the user must know of a refined entry: how it was moved, and its numbers."""
    if refined.point_lps == entry.point_lps and refined.up_lps == entry.up_lps:
        text = f"{name}: refine found no better lattice within the entry plane; it stays as stated."
        return PlanWarning("entry-refined", text)
    moved = math.dist(refined.point_lps, entry.point_lps)
    turned = (turn_deg(refined) - turn_deg(entry) + 45.0) % 90.0 - 45.0
    text = (
        f"{name}: refine moved the lattice {moved:.1f} mm within the entry plane and turned it "
        f"{abs(turned):.1f} degrees; used: point_lps = {list(refined.point_lps)}, "
        f"up_lps = {list(refined.up_lps)}."
    )
    return PlanWarning("entry-refined", text)


def _candidates(
    space: SearchSpace, settings: CaseSettings, entry: EntrySettings
) -> Sequence[EntrySettings]:
    """Best entries of a coarse search within the plane, best first, none twice."""
    plane = _Plane.of(entry, space)
    half = 0.5 * settings.template.pitch_mm
    rng = np.random.default_rng(_SEED)
    # rotation deg, offset x, y mm: the plane as it is, and others at random
    now = np.vstack(
        [np.zeros(3), rng.uniform(-1.0, 1.0, (STARTS, 3)) * [MOST_TURN_DEG, half, half]]
    )
    value = plane.merit(space, now)
    for number in range(ROUNDS):
        share = number / (ROUNDS - 1)
        step = [a * (b / a) ** share for a, b in ((15.0, 2.0), (1.5, 0.3), (1.5, 0.3))]
        tried = np.repeat(now, CHILDREN, axis=0)
        tried = tried + rng.standard_normal(tried.shape) * step
        tried[::3, 0] = np.repeat(now, CHILDREN, axis=0)[::3, 0]
        tried = np.clip(tried, [-MOST_TURN_DEG, -half, -half], [MOST_TURN_DEG, half, half])
        table = plane.merit(space, tried).reshape(len(now), CHILDREN)
        best = np.argmax(table, axis=1)
        rows = np.arange(len(now))
        better = table[rows, best] > value
        now = np.where(better[:, None], tried[rows * CHILDREN + best], now)
        value = np.where(better, table[rows, best], value)
    entries: list[EntrySettings] = []
    for n in np.argsort(-value, kind="stable"):
        if not math.isfinite(value[n]) or len(entries) == WORKED_OUT:
            break
        candidate = plane.moved(entry, *now[n].tolist())
        if candidate not in entries:
            entries.append(candidate)
    return entries


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """An entry plane whose lattice is turned and moved within it."""

    frame: NDArray[np.float64]  # (4, 4) lps_from_template as stated
    centre_xy_mm: NDArray[np.float64]  # (2,) target centroid, template frame

    @classmethod
    def of(cls, entry: EntrySettings, space: SearchSpace) -> Self:
        frame = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)
        local = frames.transform_points(frames.inverse(frame), space.centre_lps_mm)[0]
        return cls(frame, local[:2])

    def axes(self, turns_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turned template axes as rows, (n, 3, 3) LPS."""
        x, y, z = self.frame[:3, :3].T
        turn = np.radians(turns_deg)[:, None]
        return np.stack(
            [
                np.cos(turn) * x + np.sin(turn) * y,
                np.cos(turn) * y - np.sin(turn) * x,
                np.broadcast_to(z, (len(turn), 3)),
            ],
            axis=1,
        )

    def merit(self, space: SearchSpace, moves: NDArray[np.float64]) -> NDArray[np.float64]:
        """Merit of rotations and offsets, (n, 3) -> (n,)."""
        turn = np.radians(moves[:, 0])
        x, y = -self.centre_xy_mm
        turned = np.column_stack(
            [np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x]
        )
        scores = space.score(self.axes(moves[:, 0]), turned + moves[:, 1:])
        return merit(scores.features, moves[:, 0])

    def moved(
        self, entry: EntrySettings, turn_deg: float, x_mm: float, y_mm: float
    ) -> EntrySettings:
        """The entry with its lattice turned and moved."""
        x, y, _ = self.axes(np.array([turn_deg]))[0]
        point = self.frame[:3, 3] + x_mm * x + y_mm * y
        return entry.model_copy(update={"point_lps": _rounded(point, 3), "up_lps": _rounded(-y, 6)})


def _reach_pct(patient: Patient, entry: EntrySettings) -> float:
    return patient.reach([patient.approach(entry)]).reachable_pct


def _rounded(vector: NDArray[np.float64], digits: int) -> tuple[float, float, float]:
    x, y, z = (round(float(value), digits) + 0.0 for value in vector)
    return x, y, z
