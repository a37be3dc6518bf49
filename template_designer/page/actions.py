"""What a click on the page does: one function each, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from exports import check_export_folder, check_folder, choose_formats, write_formats, write_plan
from exports.as_written import as_written
from template_designer.errors import CaseError
from template_designer.inputs.earlier_plan import read_earlier_plan
from template_designer.page.entry_moves import EntryOffset
from template_designer.page.session import PlanningSession

Arguments = Mapping[str, Any]
Step = Callable[[str], None]
Action = Callable[[PlanningSession, Arguments, Step], str]
"""Does it and returns what there is to say, or nothing."""


def _lock(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.lock(str(arguments["hole"]))
    return ""


def _forbid(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.forbid(str(arguments["hole"]))
    return ""


def _clear(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.clear(str(arguments["hole"]))
    return ""


def _load(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.load(
        str(arguments["hole"]),
        _whole(arguments, "seeds") or 0,
        float(arguments["spacing_mm"]),
        float(arguments.get("behind_mm", 0.0)),
    )
    return ""


def _limit(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.limit(_whole(arguments, "needles"), _whole(arguments, "seeds"))
    return ""


def _move(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    names = [item.name for item in fields(EntryOffset)]
    offset = EntryOffset(**{name: float(arguments.get(name, 0.0)) for name in names})
    plate = int(arguments.get("plate", 0))
    if not 0 <= plate < len(session.situation.offsets):
        raise CaseError(f"there is no plate {plate + 1}")
    lost = len(session.situation.marks())
    session.place_entry(offset, plate, merge=bool(arguments.get("merge")))
    if lost:
        return (
            "The plate moved: what was held, forbidden or loaded by hand was taken back. Undo "
            "brings it back."
        )
    return ""


def _seal(session: PlanningSession, _arguments: Arguments, _: Step) -> str:
    session.seal()
    return ""


def _undo(session: PlanningSession, _arguments: Arguments, _: Step) -> str:
    session.undo()
    return ""


def _redo(session: PlanningSession, _arguments: Arguments, _: Step) -> str:
    session.redo()
    return ""


def _reoptimise(session: PlanningSession, arguments: Arguments, _: Step) -> str:
    session.reoptimise(afresh=bool(arguments.get("afresh")))
    return ""


def _cancel(session: PlanningSession, _arguments: Arguments, _: Step) -> str:
    session.cancel()
    return ""


def _save(session: PlanningSession, arguments: Arguments, say: Step) -> str:
    folder = _folder(arguments)
    check_folder(folder)  # before the work
    plan = session.finished(lambda text: say(f"finishing the plan: {text}"))
    written = write_plan(plan, folder, progress=lambda name: say(f"writing {name}"))
    session.mark_saved(plan, read_earlier_plan(written.folder, session.case), written.folder)
    missed = sum(not goal.met for goal in plan.goals)
    goals = "every goal is met" if not missed else f"{missed} of {len(plan.goals)} goals missed"
    notes = f" {' '.join(written.notes)}" if written.notes else ""
    return f"Saved {len(written.files)} files to {written.folder}; {goals}.{notes}"


def _export(session: PlanningSession, arguments: Arguments, say: Step) -> str:
    folder = _folder(arguments)
    names = [str(name) for name in arguments.get("formats", ())]
    chosen = choose_formats(names, has_case=True)
    check_export_folder(folder)
    plan = session.finished(lambda text: say(f"finishing the plan: {text}"))
    written = write_formats(
        as_written(plan), chosen, folder, progress=lambda name: say(f"writing {name}")
    )
    return f"Exported {len(written.files)} files to {written.folder}."


def _folder(arguments: Arguments) -> Path:
    text = str(arguments.get("folder", "")).strip()
    if not text:
        raise CaseError("name a folder, new or empty")
    return Path(text).expanduser()


def _whole(arguments: Arguments, name: str) -> int | None:
    value = arguments.get(name)
    if value is None or value == "":
        return None
    number = float(value)
    if number != int(number):
        raise CaseError(f"{name} = {value}: give a whole number")
    return int(number)


ACTIONS: dict[str, Action] = {
    "lock": _lock,
    "forbid": _forbid,
    "clear": _clear,
    "load": _load,
    "limit": _limit,
    "move": _move,
    "seal": _seal,
    "undo": _undo,
    "redo": _redo,
    "cancel": _cancel,
}
"""Done at once."""

LONG_ACTIONS: dict[str, Action] = {"reoptimise": _reoptimise, "save": _save, "export": _export}
"""One at a time; meanwhile the page says what is under way."""
