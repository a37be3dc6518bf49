"""From labels on the plate to sites: what the search may not change, and where it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.frames import inverse, transform_points
from template_designer.model import PlanWarning, Template
from template_designer.model.settings import LoadingSettings
from template_designer.model.steering import HandLoad, Place, Steering
from template_designer.planning.approach import Approach
from template_designer.planning.loading.chains import fits, mended
from template_designer.planning.loading.search import Locks, spacing_rules
from template_designer.planning.together import JoinedSites

SAME_MM = 0.01
"""A locked seed may not move at all: files round to 0.0001 mm, frames to less than this."""

Sites = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PlateHoles:
    """The holes of one plate, by label."""

    name: str  # "T1"
    reasons: Mapping[str, str | None]  # every label of the lattice; why it is blocked, else None
    sites: Mapping[str, Sites]  # permitted sites of a hole, from the deepest on; open holes only

    @property
    def span(self) -> str:
        """First and last label."""
        labels = list(self.reasons)
        return f"{labels[0]} to {labels[-1]}"


@dataclass(frozen=True, slots=True, eq=False)
class Steered:
    """What steering makes of a loading problem."""

    locks: Locks
    dropped: tuple[str, ...] = ()  # seeds of the earlier plan that are no longer permitted
    warnings: tuple[PlanWarning, ...] = ()


def plate_holes(
    approaches: Sequence[Approach], names: Sequence[str], joined: JoinedSites
) -> tuple[PlateHoles, ...]:
    """The holes of every plate with their sites."""
    found, offset = [], 0
    for number, (approach, name) in enumerate(zip(approaches, names, strict=True)):
        low, high = joined.first[number], joined.first[number + 1]
        hole = joined.sites.hole[low:high] - offset
        sites = {
            approach.paths.points[h].label: low + np.flatnonzero(hole == h)
            for h in np.unique(hole).tolist()
        }
        lattice = {p.label: approach.reasons.get(p.label) for p in approach.points}
        found.append(PlateHoles(name, lattice, sites))
        offset += len(approach.paths.points)
    return tuple(found)


def steer(
    steering: Steering,
    plates: Sequence[PlateHoles],
    joined: JoinedSites,
    settings: LoadingSettings,
    earlier: Sequence[Template] | None = None,
) -> Steered:
    """What the search may not change, and what it starts from.

    Locked needles and those loaded by hand stay as they are, forbidden holes and seed positions
    stay empty. Every other seed of the earlier plan is where the search starts.

    Parameters
    ----------
    steering : Steering
    plates : sequence of PlateHoles
        From :func:`plate_holes`.
    joined : JoinedSites
        All permitted sites.
    settings : LoadingSettings
        With the limits that hold now.
    earlier : sequence of Template, optional
        The plates of an earlier plan with their needles.

    Raises
    ------
    CaseError
        If a label is not on the plate, a lock cannot be kept, a load breaks a rule, or two wishes
        contradict each other; the text says which, where and why.
    """
    desk = _Desk(steering, tuple(plates), joined, settings)
    desk.place_earlier(earlier)
    for place in steering.forbid:
        desk.forbid(place)
    for load in steering.load:
        desk.load(load)
    for place in steering.lock:
        desk.lock(place)
    desk.mend_holes()
    desk.check_fixed()
    warnings: tuple[PlanWarning, ...] = ()
    if desk.dropped:
        text = (
            f"seeds of the earlier plan are no longer permitted and left out: "
            f"{', '.join(desk.dropped)}. The case has changed, or the rules."
        )
        warnings = (PlanWarning("seed-not-permitted", text),)
    locks = Locks(desk.may_add, desk.may_drop, desk.start)
    return Steered(locks, tuple(desk.dropped), warnings)


@dataclass(slots=True, eq=False)
class _Desk:
    """The wishes as they are carried out, one after the other."""

    steering: Steering
    plates: tuple[PlateHoles, ...]
    joined: JoinedSites
    settings: LoadingSettings
    may_add: NDArray[np.bool_] = field(init=False)
    may_drop: NDArray[np.bool_] = field(init=False)
    start: NDArray[np.bool_] = field(init=False)
    seeds: dict[tuple[str, str], list[tuple[int | None, float]]] = field(default_factory=dict)
    """Of the earlier plan, by plate and hole, from the tip: site, and how far off it lies, mm."""
    dropped: list[str] = field(default_factory=list)
    closed: dict[tuple[str, str], str] = field(default_factory=dict)  # holes and what was asked

    def __post_init__(self) -> None:
        count = len(self.joined.sites)
        self.may_add, self.may_drop = np.ones(count, np.bool_), np.ones(count, np.bool_)
        self.start = np.zeros(count, np.bool_)

    def place_earlier(self, earlier: Sequence[Template] | None) -> None:
        """Put every seed of the earlier plan on the permitted site nearest in depth."""
        by_name = {plate.name: plate for plate in self.plates}
        for template in earlier or ():
            to_plate = inverse(np.asarray(template.lps_from_template))
            for needle in template.needles:
                centers = np.array([seed.center_lps_mm for seed in needle.seeds]).reshape(-1, 3)
                plate = by_name.get(template.name)
                sites = np.zeros(0, np.int64) if plate is None else plate.sites.get(needle.label)
                found = self._nearest(sites, centers, transform_points(to_plate, centers)[:, 2])
                self.seeds[template.name, needle.label] = found
                for number, (site, _) in enumerate(found, start=1):
                    if site is None:
                        name = template.name if len(self.plates) > 1 else None
                        self.dropped.append(str(Place(needle.label, name, number)))
                    else:
                        self.start[site] = True

    def _nearest(
        self, sites: Sites | None, centers_lps_mm: NDArray[np.float64], z_mm: NDArray[np.float64]
    ) -> list[tuple[int | None, float]]:
        """Site of each seed within half a step of its depth, and its distance in the patient."""
        found: list[tuple[int | None, float]] = []
        taken: set[int] = set()
        for center, z in zip(centers_lps_mm, z_mm, strict=True):
            site = None
            if sites is not None and len(sites):
                off = np.abs(self.joined.sites.z_mm[sites] - z)
                best = int(sites[np.argmin(off)])
                if off.min() <= 0.5 * self.settings.step_mm + 1e-6 and best not in taken:
                    site = best
                    taken.add(best)
            away = np.inf
            if site is not None:
                away = float(np.linalg.norm(self.joined.sites.centers_lps_mm[site] - center))
            found.append((site, away))
        return found

    def plate_of(self, place: Place) -> PlateHoles:
        """The plate that a place is on."""
        names = [plate.name for plate in self.plates]
        if place.plate is None and len(self.plates) > 1:
            raise CaseError(
                f"{place}: which of {', '.join(names)}? With several plates write "
                f"{names[0]}:{place}"
            )
        wanted = place.plate or names[0]
        plate = next((plate for plate in self.plates if plate.name == wanted), None)
        if plate is None:
            raise CaseError(f"{place}: there is no plate {wanted}, only {', '.join(names)}")
        if place.label not in plate.reasons:
            raise CaseError(
                f"{place}: {plate.name} has no hole {place.label}; its holes are {plate.span}"
            )
        return plate

    def forbid(self, place: Place) -> None:
        """Leave a hole, or the position of one seed, empty."""
        plate = self.plate_of(place)
        if place.seed is not None:
            site, _ = self._seed(place, plate, "--forbid")
            if site is not None:
                self.start[site] = self.may_add[site] = False
            return
        sites = plate.sites.get(place.label, np.zeros(0, np.int64))
        self._close(place, plate, "forbidden")
        self.start[sites] = self.may_add[sites] = False

    def load(self, load: HandLoad) -> None:
        """Put the seeds of a needle where they were set by hand."""
        place = load.hole
        plate = self.plate_of(place)
        sites = plate.sites.get(place.label)
        if sites is None:
            reason = plate.reasons[place.label] or "no seed position there is permitted"
            raise CaseError(f"load {load}: {plate.name} {place.label} takes no needle: {reason}")
        step = self.settings.step_mm
        slots = self.joined.sites.slot[sites]
        wanted = np.array(load.behind_mm) / step
        for behind, slot in zip(load.behind_mm, wanted.tolist(), strict=True):
            if abs(slot - round(slot)) > 1e-6 or round(slot) not in slots:
                permitted = ", ".join(f"{step * s:g}" for s in slots.tolist())
                raise CaseError(
                    f"load {load}: no seed may lie {behind:g} mm behind the deepest one of "
                    f"{place}; permitted are {permitted} mm (every {step:g} mm inside the target, "
                    "clear of the skin)"
                )
        rounded = np.rint(wanted).astype(np.int64)
        self._check_spacing(load, rounded)
        self._close(place, plate, "loaded by hand")
        chosen = sites[np.isin(slots, rounded)]
        if not self.may_add[chosen].all():
            raise CaseError(f"load {load}: one of its positions is forbidden as well; choose one")
        self.start[sites] = self.may_add[sites] = False
        self.start[chosen] = True
        self.may_drop[chosen] = False

    def _check_spacing(self, load: HandLoad, slots: NDArray[np.int64]) -> None:
        least, most, seeds, _, _ = spacing_rules(self.settings, len(self.joined.sites))
        if len(slots) > seeds:
            raise CaseError(
                f"load {load}: {len(slots)} seeds in a needle; [loading] max_seeds_per_needle is "
                f"{seeds}"
            )
        wrong = [g for g in np.diff(slots).tolist() if not least <= g <= most]
        if wrong:
            low, high = self.settings.seed_spacing_mm
            raise CaseError(
                f"load {load}: two seeds {self.settings.step_mm * wrong[0]:g} mm apart; "
                f"[loading] seed_spacing_mm asks for {low:g} to {high:g} mm"
            )

    def lock(self, place: Place) -> None:
        """Keep a needle, or one seed, of the earlier plan exactly where it is."""
        plate = self.plate_of(place)
        if place.seed is not None:
            what = self.closed.get((plate.name, place.label), "locked")
            if what != "locked":
                raise CaseError(f"--lock {place}: hole {place.label} is {what} as well; choose one")
            site, away = self._seed(place, plate, "--lock")
            self._check_kept(place, site, away)
            assert site is not None
            if not self.may_add[site]:
                raise CaseError(f"--lock {place}: this seed is forbidden as well; choose one")
            self.may_drop[site] = False
            return
        seeds = self._needle(place, plate, "--lock")
        self._close(place, plate, "locked")
        for number, (site, away) in enumerate(seeds, start=1):
            self._check_kept(Place(place.label, place.plate, number), site, away)
            assert site is not None
            if not self.may_add[site]:
                raise CaseError(f"--lock {place}: its seed {number} is forbidden; choose one")
            self.may_drop[site] = False
        self.may_add[plate.sites[place.label]] = False

    def _needle(
        self, place: Place, plate: PlateHoles, option: str
    ) -> list[tuple[int | None, float]]:
        """The seeds of the earlier plan's needle in a hole."""
        seeds = self.seeds.get((plate.name, place.label))
        if seeds is None:
            planned = [label for name, label in self.seeds if name == plate.name]
            raise CaseError(
                f"{option} {place}: the earlier plan has no needle there; {plate.name} has "
                f"{', '.join(planned) or 'none'}"
            )
        return seeds

    def _seed(self, place: Place, plate: PlateHoles, option: str) -> tuple[int | None, float]:
        seeds = self._needle(place, plate, option)
        assert place.seed is not None
        if place.seed > len(seeds):
            raise CaseError(f"{option} {place}: the needle has {len(seeds)} seeds, from the tip")
        return seeds[place.seed - 1]

    def _check_kept(self, place: Place, site: int | None, away_mm: float) -> None:
        if site is None:
            raise CaseError(
                f"--lock {place}: this seed is no longer permitted where it was; the case or its "
                "rules have changed. Leave out the lock, or plan the case that the plan is of"
            )
        if away_mm > SAME_MM:
            raise CaseError(
                f"--lock {place}: the nearest permitted position is {away_mm:.2f} mm from where "
                "the seed was; the case or its plate has changed. Leave out the lock, or plan the "
                "case that the plan is of"
            )

    def _close(self, place: Place, plate: PlateHoles, what: str) -> None:
        before = self.closed.setdefault((plate.name, place.label), what)
        if before != what:
            raise CaseError(f"{place} is {before} and {what}; choose one")

    def mend_holes(self) -> None:
        """Make every hole keep the spacing again where seeds were taken out of it."""
        rules = spacing_rules(self.settings, len(self.joined.sites))[:3]
        for plate in self.plates:
            for label, sites in plate.sites.items():
                slots = self.joined.sites.slot[sites]
                if fits(slots[self.start[sites]], rules):
                    continue
                fixed = self.start[sites] & ~self.may_drop[sites]
                allowed = self.may_add[sites] | fixed
                kept = mended(slots, self.start[sites], fixed, allowed, rules)
                if kept is None:
                    raise CaseError(
                        f"{plate.name} {label}: the locked seeds cannot stay without others "
                        "between them, which are forbidden or no longer permitted; lock fewer, or "
                        "forbid fewer"
                    )
                self.start[sites] = kept

    def check_fixed(self) -> None:
        """Refuse fixed seeds that no plan can hold together; drop free ones that clash."""
        fixed = self.start & ~self.may_drop
        needles = len(np.unique(self.joined.sites.hole[fixed]))
        for what, count, limit in (
            ("needles", needles, self.settings.max_needles),
            ("seeds", int(np.count_nonzero(fixed)), self.settings.max_seeds),
        ):
            if limit is not None and count > limit:
                raise CaseError(
                    f"{count} {what} are locked or loaded by hand, and at most {limit} are "
                    f"permitted; raise max_{what}, or lock fewer"
                )
        clash = self.joined.clash
        if not clash.size:
            return
        placed = np.flatnonzero(fixed)
        if clash[np.ix_(placed, placed)].any():
            raise CaseError(
                "needles that are locked or loaded by hand come too near those of another plate; "
                "leave one out"
            )
        free = np.flatnonzero(self.start & self.may_drop)
        for site in free:
            if clash[site, self.start].any():
                hole = self.joined.sites.hole == self.joined.sites.hole[site]
                self.start[hole & self.may_drop] = False
