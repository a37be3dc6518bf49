"""Structure names of a case file, exact or as globs, against the names in the structure set."""

from __future__ import annotations

import difflib
import fnmatch
import unicodedata
from collections.abc import Sequence

from template_designer.errors import CaseError
from template_designer.model import PlanWarning


def resolve_names(
    patterns: Sequence[str],
    names: Sequence[str],
    key: str,
    warnings: Sequence[PlanWarning] = (),
) -> tuple[str, ...]:
    """Find the structures that names or globs of a case file mean.

    Parameters
    ----------
    patterns : sequence of str
        Names, or globs with ``*``, ``?`` and ``[...]``; upper and lower case differ. A pattern that
        is a structure's exact name means that structure alone.
    names : sequence of str
        Names of the structures there are.
    key : str
        Where the patterns stand in the case file, e.g. ``"[target] structure"``.
    warnings : sequence of PlanWarning
        Those of the structure set: say why a structure that was left out is not there.

    Returns
    -------
    tuple of str
        In the order of the patterns, then of ``names``; none twice.

    Raises
    ------
    CaseError
        If a pattern matches nothing; the text names the key and lists the structures.

    Examples
    --------
    >>> resolve_names(["Kidney_*"], ["GTV", "Kidney_L", "Kidney_R"], "[[avoid]] #1 structure")
    ('Kidney_L', 'Kidney_R')
    """
    if not patterns:
        raise CaseError(f"{key} names no structure; {_choices(names)}")
    found: list[str] = []
    for pattern in patterns:
        matches = _matches(pattern, names)
        if not matches:
            raise CaseError(
                f"{key} = {pattern!r} matches no structure{_left_out(pattern, warnings)}; "
                f"{did_you_mean(pattern, names)}{_choices(names)}"
            )
        found.extend(matches)
    return tuple(dict.fromkeys(found))


def resolve_one(
    pattern: str, names: Sequence[str], key: str, warnings: Sequence[PlanWarning] = ()
) -> str:
    """Find the one structure that a name or glob means; several are a ``CaseError`` too."""
    matches = resolve_names([pattern], names, key, warnings)
    if len(matches) > 1:
        raise CaseError(
            f"{key} = {pattern!r} matches {len(matches)} structures ({', '.join(matches)}); "
            "name one"
        )
    return matches[0]


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """Clause that suggests the nearest choice, '' when none is near."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), list(by_lower), 1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]!r}? " if close else ""


def _matches(pattern: str, names: Sequence[str]) -> list[str]:
    wanted = _normal(pattern)
    exact = [name for name in names if _normal(name) == wanted]
    return exact or [name for name in names if fnmatch.fnmatchcase(_normal(name), wanted)]


def _normal(text: str) -> str:
    """Accents as one character: editors and planning systems differ in how they write them."""
    return unicodedata.normalize("NFC", text)


def _left_out(pattern: str, warnings: Sequence[PlanWarning]) -> str:
    for warning in warnings:
        skipped = warning.code == "roi-skipped" and f"ROI {pattern!r} " in warning.text
        if skipped or (warning.code == "labels-empty" and repr(pattern) in warning.text):
            return f" that can be used ({warning.text})"
    return ""


def _choices(names: Sequence[str]) -> str:
    return f"structures: {', '.join(names) or 'none'}"
