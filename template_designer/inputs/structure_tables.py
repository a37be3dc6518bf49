"""Names of ``[[structure]]`` tables: new, and made only of what stands above them."""

from __future__ import annotations

from collections.abc import Sequence

from template_designer.errors import CaseError
from template_designer.inputs.names import resolve_names, resolve_one
from template_designer.model import CaseSettings, RoiSet
from template_designer.model.derived import BODY_FROM_CT, StructureSettings
from template_designer.model.settings import NameList
from template_designer.model.tables import names_of


def known_names(settings: CaseSettings, rois: RoiSet) -> tuple[str, ...]:
    """Every structure a case can name: those of the file, the body from the CT, those it makes."""
    return (*_given_names(settings, rois), *(table.name for table in settings.structure))


def resolve_tables(settings: CaseSettings, rois: RoiSet) -> tuple[StructureSettings, ...]:
    """The ``[[structure]]`` tables with exact names for what they are made of.

    CT numbers count inside the skin where a table does not say within what.

    Raises
    ------
    CaseError
        If a name is taken, unknown, the table's own, or that of a later table.
    """
    names = list(_given_names(settings, rois))
    tables = []
    for number, table in enumerate(settings.structure, start=1):
        key = f"[[structure]] #{number}"
        if table.name in names:
            raise CaseError(f"{key} name = {table.name!r} is taken; structures: {_listed(names)}")
        later = {t.name: n for n, t in enumerate(settings.structure, start=1) if n >= number}

        def exact(
            stated: NameList | None,
            word: str,
            key: str = key,
            later: dict[str, int] = later,
        ) -> tuple[str, ...] | None:
            if stated is None:
                return None
            for name in names_of(stated):
                if name in later and name not in names:
                    raise CaseError(_too_early(f"{key} {word}", name, later))
            return resolve_names(names_of(stated), names, f"{key} {word}", rois.warnings)

        within = exact(table.within, "within")
        if table.ct_above_hu is not None and within is None:
            within = _skin(settings, rois, names)
        tables.append(
            table.model_copy(
                update={
                    "from_": exact(table.from_, "from"),
                    "within": within,
                    "and_": exact(table.and_, "and"),
                    "minus": exact(table.minus, "minus"),
                }
            )
        )
        names.append(table.name)
    return tuple(tables)


def drawn_sources(settings: CaseSettings, name: str) -> tuple[str, ...]:
    """Structures that resolved tables make one of, down to those that no table makes."""
    table = next((table for table in settings.structure if table.name == name), None)
    if table is None:
        return (name,)
    if table.ct_above_hu is not None:
        return (BODY_FROM_CT,)
    return tuple(leaf for part in table.sources for leaf in drawn_sources(settings, part))


def _given_names(settings: CaseSettings, rois: RoiSet) -> tuple[str, ...]:
    found_body = settings.skin.structure == BODY_FROM_CT and BODY_FROM_CT not in rois.names
    return (*rois.names, *((BODY_FROM_CT,) if found_body else ()))


def _skin(settings: CaseSettings, rois: RoiSet, names: Sequence[str]) -> tuple[str, ...] | None:
    """The skin, where it stands above a table; a table that makes it looks at the whole scan."""
    skin = resolve_one(
        settings.skin.structure, known_names(settings, rois), "[skin] structure", rois.warnings
    )
    return (skin,) if skin in names else None


def _too_early(key: str, name: str, later: dict[str, int]) -> str:
    where = min(later.values())
    if later[name] == where:
        return f"{key} = {name!r}: a structure cannot be made of itself"
    return (
        f"{key} = {name!r} is made by [[structure]] #{later[name]} further down; a table may use "
        "those above it only. Move that table up; if each needs the other, neither can be made"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
