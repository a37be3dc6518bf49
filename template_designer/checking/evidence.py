"""Everything a check may look at: the written folder, and the case with its images if at hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dose.sources import SeedModel, load_source, load_source_file
from template_designer.checking.anatomy import Anatomy, read_anatomy
from template_designer.checking.plate import PlateModel
from template_designer.checking.record import PlanRecord
from template_designer.errors import InputError, PlannerError
from template_designer.model.settings import CaseSettings


@dataclass(frozen=True, slots=True)
class InputState:
    """One input of the plan: where it was found, and whether it is what went in."""

    path: str
    found: Path | None
    unchanged: bool


@dataclass(frozen=True, eq=False)
class Evidence:
    """A written folder as read; ``case`` and ``anatomy`` are None where they are not at hand."""

    folder: Path
    plan: PlanRecord = field(repr=False)
    rows: tuple[Mapping[str, str], ...] = field(repr=False)  # of needles.csv
    plates: Mapping[str, PlateModel] = field(repr=False)  # by template name
    inputs: tuple[InputState, ...] = ()
    case: CaseSettings | None = field(default=None, repr=False)
    case_note: str = ""  # why there is no case
    anatomy: Anatomy | None = field(default=None, repr=False)
    anatomy_note: str = ""  # why there are no contours
    source_file: Path | None = None
    cache: dict[Any, Any] = field(
        default_factory=dict, repr=False
    )  # what was worked out from contours

    @property
    def source(self) -> SeedModel | None:
        """Tables of the plan's seed model; None where they are not at hand."""
        try:
            if self.plan.source.file is None:
                return load_source(self.plan.source.model)
            return None if self.source_file is None else load_source_file(self.source_file)
        except PlannerError:
            return None

    @property
    def needle_names(self) -> list[str]:
        """How each needle is named in lines, in the order of ``plan.needles``."""
        several = len(self.plan.templates) > 1
        return [f"{t.name} {n.label}" if several else n.label for t, n in self.plan.needles]


def read_evidence(folder: Path, case: Path | None = None) -> Evidence | str:
    """Read a written folder, and the case that it was planned from where that can be found.

    Parameters
    ----------
    folder : Path
        As ``design`` wrote it.
    case : Path, optional
        The case file. Without it the file that plan.json names is looked for in the current
        folder, in ``folder`` and in the folders above it, and taken if its fingerprint agrees.

    Returns
    -------
    Evidence, or the reason why plan.json is no sound plan.

    Raises
    ------
    InputError
        If a file of the folder is missing or cannot be read at all.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; name the folder that a plan was written to")
    data = read_json(folder / "plan.json")
    try:
        plan = read_record(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']} ({error.error_count()} in all)"
    names = [template.name for template in plan.templates]
    if len(set(names)) < len(names) or any(Path(name).name != name for name in names):
        return f"templates: names {names} must differ and be plain"
    plates = {
        name: PlateModel.read(folder / f"template{f'-{name}' if len(names) > 1 else ''}.stl")
        for name in names
    }
    evidence = Evidence(folder, plan, read_rows(folder / "needles.csv"), plates)
    return _with_case(evidence, case)


def read_record(data: Any) -> PlanRecord:
    """Record of parsed JSON; pydantic's ``ValidationError`` where it does not fit."""
    return PlanRecord.model_validate_json(json.dumps(data))


def read_json(path: Path) -> Any:
    """JSON with finite numbers only.

    Raises
    ------
    InputError
        If the file is missing or no JSON.
    """

    def refuse(text: str) -> float:
        raise ValueError(f"{text} is no number")

    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_constant=refuse)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a folder that a plan was written to"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({error}); write the plan again") from error


def read_rows(path: Path) -> tuple[Mapping[str, str], ...]:
    """Rows of the needle table by column.

    Raises
    ------
    InputError
        If the file is missing or no text.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tuple(csv.DictReader(io.StringIO(text, newline=""), restval="", restkey="?"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); write the plan again"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no table in UTF-8 ({error}); write the plan again") from error


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the sorted SHA-256 of a folder's visible files joined."""
    if path.is_dir():
        files = [p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")]
        digests = sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in files)
        return hashlib.sha256("".join(digests).encode("ascii")).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _with_case(evidence: Evidence, stated: Path | None) -> Evidence:
    """Add the case and what it points to, as far as it is at hand."""
    plan = evidence.plan
    path = stated if stated is not None else _find_case(evidence)
    if path is None:
        nothing = "the case file is not at hand; name it with --case"
        absent = tuple(InputState(item.path, None, False) for item in plan.inputs)
        return replace(evidence, inputs=absent, case_note=nothing, anatomy_note=nothing)
    settings = _read_case(path)
    inputs = []
    for number, item in enumerate(plan.inputs):
        file = path if number == 0 else path.parent / item.path
        there = file.exists()
        inputs.append(
            InputState(
                item.path, file if there else None, there and fingerprint(file) == item.sha256
            )
        )
    anatomy, note = _read_images(path, settings)
    own = settings.source.file
    return replace(
        evidence,
        inputs=tuple(inputs),
        case=settings,
        anatomy=anatomy,
        anatomy_note=note,
        source_file=None if own is None else path.parent / own,
    )


def _find_case(evidence: Evidence) -> Path | None:
    """The case file that plan.json names, where one with its fingerprint lies near."""
    if not evidence.plan.inputs:
        return None
    stated = evidence.plan.inputs[0]
    folder = evidence.folder.absolute()
    for base in (Path.cwd(), folder, *folder.parents[:2]):
        path = base / stated.path
        if path.is_file() and fingerprint(path) == stated.sha256:
            return path
    return None


def _read_case(path: Path) -> CaseSettings:
    try:
        return CaseSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a case file") from error
    except ValueError as error:  # TOML, UTF-8 and pydantic errors are all ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: is no case file ({reason}); name the one of this plan"
        ) from error


def _read_images(path: Path, settings: CaseSettings) -> tuple[Anatomy | None, str]:
    """Contours of the case and why there are none."""
    structures, ct = (path.parent / p for p in (settings.images.structures, settings.images.ct))
    if not structures.is_file():
        return None, f"{settings.images.structures} is not at hand"
    try:
        return read_anatomy(structures, ct), ""
    except InputError as error:
        return None, str(error)
