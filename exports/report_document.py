"""What a report is made of, before it is laid out: sections of tables, lines and pictures.

``report.html`` and ``report.pdf`` are two layouts of one document, so that they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from template_designer.model import Plan

NOTHING = "–"
"""Stands in a cell that has nothing to say."""

MISSED = "MISSED"
"""First word of every cell and line that says a goal is missed; layouts make it stand out."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    head: str  # with the unit of its numbers
    is_number: bool = False  # set flush right


@dataclass(frozen=True, slots=True)
class Row:
    """One row; its first cell names it."""

    cells: tuple[str, ...]
    loud: bool = False  # a missed goal, or what two plans do not share


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; without heads a list of facts."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""  # under the table

    @property
    def has_heads(self) -> bool:
        """Whether any column has a head."""
        return any(column.head for column in self.columns)


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences under a title."""

    title: str
    items: tuple[str, ...]
    loud: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture, or why there is none."""

    title: str
    caption: str
    png: bytes | None
    missing: str = ""  # why, and what to do about it


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The same picture of two plans, side by side."""

    left: Picture
    right: Picture


Part = Table | Lines | Picture | Pair


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """What begins on a new page."""

    key: str  # its anchor: letters and dashes
    title: str
    parts: tuple[Part, ...]
    is_wide: bool = False  # on paper that lies on its side


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A report of one plan, of two, or of a series of cases (then without plans)."""

    title: str
    head: tuple[str, str]  # the first lines on every sheet of paper: whose plan this is
    plans: tuple[Plan, ...]
    sections: tuple[Section, ...]


LIMITS = (
    "Limits of use: a planning aid for research and education, not a medical device. Nobody may be "
    "treated from it without the checks that a clinic makes on any plan. Dose is TG-43: water "
    "everywhere, no shielding between seeds. Every contour is taken as drawn."
)
"""Stands at the top of every report."""


def facts(title: str, pairs: list[tuple[str, str]], note: str = "") -> Table:
    """A table of names and what they are."""
    rows = tuple(Row(pair) for pair in pairs)
    return Table(title, (Column(""), Column("")), rows, note)
