"""Letters on paper: DejaVu Sans as matplotlib ships it, embedded, and texts that it can show."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"

_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Kinds of characters that draw nothing, or turn the reading direction of others."""


@cache
def register() -> frozenset[int]:
    """Make both fonts known to reportlab; the code points that both can draw."""
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [TTFont(name, str(folder / f"{name}.ttf")) for name in (REGULAR, BOLD)]
    for font in fonts:
        pdfmetrics.registerFont(font)
    drawn = [frozenset(font.face.charToGlyph) for font in fonts]
    return drawn[0] & drawn[1]


class Shown(str):
    """A line that is fit to be drawn as it stands."""

    __slots__ = ()


def shown(text: str) -> Shown:
    """A text as one line in which every character can be seen and told from others.

    What the fonts have no letter for, and what draws nothing, stands as its code: ``<U+7532>``.
    Parts that run from right to left are turned, for a PDF places letters from left to right.
    """
    return text if isinstance(text, Shown) else Shown(_shown(text))


@cache
def _shown(text: str) -> str:
    drawn = register()
    parts = []
    for char in unicodedata.normalize("NFC", text):
        if char.isspace():
            parts.append(" ")
        elif unicodedata.category(char) in _UNSHOWN or ord(char) not in drawn:
            parts.append(f"<U+{ord(char):04X}>")
        else:
            parts.append(char)
    return _turned(" ".join("".join(parts).split()))


def text_width_mm(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Width on paper of one line."""
    from reportlab.pdfbase import pdfmetrics

    register()
    return (
        float(pdfmetrics.stringWidth(shown(text), BOLD if bold else REGULAR, size_pt)) * 25.4 / 72.0
    )


def wrapped(
    text: str | Sequence[str], size_pt: float, width_mm: float, *, bold: bool = False
) -> list[Shown]:
    """Lines no wider than ``width_mm``; words that are too long are cut between letters.

    A sequence is of parts that are not broken where a line has room for them.
    """
    parts = shown(text).split() if isinstance(text, str) else [shown(part) for part in text]
    joint = " " if isinstance(text, str) else "  "
    lines: list[str] = []
    for part in itertools.chain.from_iterable(
        _cut(part, size_pt, width_mm, bold) for part in parts
    ):
        longer = f"{lines[-1]}{joint}{part}" if lines else part
        if lines and text_width_mm(Shown(longer), size_pt, bold=bold) <= width_mm:
            lines[-1] = longer
        else:
            lines.append(part)
    return [Shown(line) for line in lines] or [Shown("")]


def fitting_pt(text: str, size_pt: float, width_mm: float, *, bold: bool = False) -> float:
    """The size, ``size_pt`` at most, at which a line is no wider than ``width_mm``."""
    wide = text_width_mm(text, size_pt, bold=bold)
    return size_pt if wide <= width_mm else size_pt * width_mm / wide


def _cut(word: str, size_pt: float, width_mm: float, bold: bool) -> Iterator[str]:
    """A word in pieces that fit, cut after signs such as ``_`` and ``-`` where there are any."""
    while len(word) > 1 and text_width_mm(Shown(word), size_pt, bold=bold) > width_mm:
        fits = 1
        while text_width_mm(Shown(word[: fits + 1]), size_pt, bold=bold) <= width_mm:
            fits += 1
        signs = [m.end() for m in re.finditer(r"[ _\-.,;/>]", word[:fits])]
        at = signs[-1] if signs and signs[-1] > fits // 2 else fits
        yield word[:at].rstrip()
        word = word[at:].lstrip()
    yield word


def _turned(text: str) -> str:
    """A line with its right-to-left parts turned; marks stay behind the letter they belong to."""
    clusters: list[str] = []
    for char in text:
        if clusters and unicodedata.combining(char):
            clusters[-1] += char
        else:
            clusters.append(char)
    kinds = [unicodedata.bidirectional(cluster[0]) in ("R", "AL") for cluster in clusters]
    if True not in kinds:
        return text
    for n in range(1, len(kinds) - 1):  # a blank between two such letters runs as they do
        if clusters[n] == " " and kinds[n - 1] and kinds[n + 1]:
            kinds[n] = True
    runs = itertools.groupby(range(len(clusters)), key=lambda n: kinds[n])
    found = []
    for backwards, places in runs:
        part = [clusters[n] for n in places]
        found += part[::-1] if backwards else part
    return "".join(found)
