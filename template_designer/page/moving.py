"""A case laid out again where one plate was moved by hand: exact, and quick with kept distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from template_designer.model import EntrySettings
from template_designer.page.entry_moves import EntryOffset, KeptFields, moved_entry
from template_designer.planning.approach import prepare_approach
from template_designer.planning.together import join_sites
from template_designer.workflow import Preparation


def moved_plate(
    before: Preparation,
    offset: EntryOffset,
    plate: int,
    opened: EntrySettings,
    kept: KeptFields,
) -> Preparation:
    """The plates with one of them moved; its holes are worked out by the code that plans.

    Parameters
    ----------
    before : Preparation
        As it stands now.
    offset : EntryOffset
        From ``opened``.
    plate : int
        Counted from 0.
    opened : EntrySettings
        Where that plate was opened.
    kept : KeptFields
        Distances that are found again.

    Raises
    ------
    CaseError
        If the plate cannot stand there.
    """
    settings, loading, case = before.settings, before.loading, before.case
    solids, target = loading.solids, loading.target
    centre = target.to_lps(np.mean(target.bounds_uvw_mm, axis=0))[0]
    entry = moved_entry(opened, offset, centre, solids[settings.skin.structure], kept)
    entries = tuple(entry if n == plate else e for n, e in enumerate(settings.entry))
    settings = settings.model_copy(update={"entry": entries})
    approach = prepare_approach(
        settings, entry, case.image, solids, target, case.source.model, kept
    )
    approaches = tuple(approach if n == plate else a for n, a in enumerate(before.approaches))
    joined = join_sites(approaches, settings.template.pitch_mm)
    statement = replace(loading, settings=settings, joined=joined)
    return replace(before, settings=settings, approaches=approaches, loading=statement)
