"""What is printed on paper, and on which."""

from __future__ import annotations

from enum import StrEnum

from template_designer.model.tables import Settings


class Paper(StrEnum):
    """The paper in the clinic's printer."""

    A4 = "A4"
    LETTER = "Letter"

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height, upright.

        >>> Paper.LETTER.size_mm
        (215.9, 279.4)
        """
        return (210.0, 297.0) if self is Paper.A4 else (215.9, 279.4)

    @property
    def larger_mm(self) -> tuple[str, tuple[float, float]]:
        """Name and size of the paper twice as large, for what does not fit 1:1."""
        return ("A3", (297.0, 420.0)) if self is Paper.A4 else ("Tabloid", (279.4, 431.8))


class ReportSettings(Settings):
    """``[report]``: how ``needles.pdf`` and ``drawing.pdf`` come out."""

    paper: Paper = Paper.A4
