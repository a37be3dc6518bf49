"""``report.html``: the report as one file that needs nothing else: no network, no script."""

from __future__ import annotations

import base64
import unicodedata
from html import escape

from exports.plan_json import plan_hash
from exports.report_content import plan_document
from exports.report_document import (
    LIMITS,
    MISSED,
    Document,
    Lines,
    Pair,
    Part,
    Picture,
    Section,
    Table,
)
from exports.report_style import style
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.model import Plan

_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Kinds of characters that draw nothing, or turn the reading direction of others."""

_LONGEST_WORD = 24
"""Letters; a column with longer words may break them anywhere."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def build(plan: Plan) -> bytes:
    """The report of one plan as HTML (UTF-8), the same bytes every time."""
    return html_of(plan_document(plan))


def build_quick(plan: Plan) -> bytes:
    """The same without the pictures that take seconds: what ``design`` writes."""
    return html_of(plan_document(plan, full=False))


def html_of(document: Document) -> bytes:
    """Lay a document out as one self-contained page."""
    sections = document.sections
    links = "".join(f'<li><a href="#{escape(s.key)}">{plain(s.title)}</a></li>' for s in sections)
    seals = "".join(
        f"<p>Plan {plain(plan.id)}, hash <code>{plan_hash(plan)}</code></p>"
        for plan in document.plans
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta name="generator" content="{SOFTWARE_NAME} {__version__}">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{plain(document.title)}</title>",
        f"<style>{style(document)}</style>",
        "</head>",
        "<body>",
        f'<header><p class="limits"><strong>{plain(LIMITS)}</strong></p>',
        f"<h1>{plain(document.title)}</h1>",
        "".join(f"<p>{plain(line)}</p>" for line in document.head),
        f'<div class="seals">{seals}</div>',
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>',
        "<main>",
        *(_section(section) for section in sections),
        "</main>",
        "</body>",
        "</html>",
    ]
    return ("\n".join(parts) + "\n").encode("utf-8")


def plain(text: str) -> str:
    r"""A text as HTML shows it: nothing in it is a tag, and every character can be seen.

    >>> plain("<b>&\u202e")
    '&lt;b&gt;&amp;&lt;U+202E&gt;'
    """
    return escape("".join(_visible(char) for char in text), quote=True)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSHOWN else char


def _section(section: Section) -> str:
    kind = ' class="wide"' if section.is_wide else ""
    key = escape(section.key)
    parts = "\n".join(_part(part) for part in section.parts)
    return (
        f'<section id="{key}"{kind} aria-labelledby="{key}-title">\n'
        f'<h2 id="{key}-title">{plain(section.title)}</h2>\n{parts}\n</section>'
    )


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        return _figure(part)
    if isinstance(part, Pair):
        return f'<div class="pair">{_figure(part.left)}{_figure(part.right)}</div>'
    return _lines(part)


def _lines(lines: Lines) -> str:
    title = f"<h3>{plain(lines.title)}</h3>" if lines.title else ""
    kind = ' class="loud"' if lines.loud else ""
    if len(lines.items) == 1:
        return f"{title}<p{kind}>{_cell(lines.items[0], loud=lines.loud)}</p>"
    items = "".join(f"<li>{_cell(item, loud=lines.loud)}</li>" for item in lines.items)
    return f"{title}<ul{kind}>{items}</ul>"


def _table(table: Table) -> str:
    kinds = [_kind(table, n) for n in range(len(table.columns))]
    heads = ""
    if table.has_heads:
        cells = "".join(
            f'<th scope="col"{kind}>{plain(column.head)}</th>'
            for column, kind in zip(table.columns, kinds, strict=True)
        )
        heads = f"<thead><tr>{cells}</tr></thead>"
    rows = []
    for row in table.rows:
        first, *others = row.cells
        cells = f'<th scope="row"{kinds[0]}>{plain(first)}</th>' + "".join(
            f"<td{kind}>{_cell(text, loud=row.loud)}</td>"
            for kind, text in zip(kinds[1:], others, strict=True)
        )
        loud = ' class="loud"' if row.loud else ""
        rows.append(f"<tr{loud}>{cells}</tr>")
    kind = "" if table.has_heads else ' class="facts"'
    note = f'<p class="note">{plain(table.note)}</p>' if table.note else ""
    body = "\n".join(rows)
    return (
        f'<div class="table"><table{kind}><caption>{plain(table.title)}</caption>{heads}\n'
        f"<tbody>\n{body}\n</tbody></table></div>{note}"
    )


def _kind(table: Table, n: int) -> str:
    """Class of a column's cells: numbers, texts of short words, texts that break anywhere."""
    if table.columns[n].is_number:
        return ' class="n"'
    words = [word for row in table.rows for word in row.cells[n].split()]
    return "" if all(len(word) <= _LONGEST_WORD for word in words) else ' class="long"'


def _cell(text: str, *, loud: bool) -> str:
    if loud and text.startswith(MISSED):
        return f'<strong class="missed">{MISSED}</strong>{plain(text.removeprefix(MISSED))}'
    return plain(text)


def _figure(picture: Picture) -> str:
    told = f"<strong>{plain(picture.title)}.</strong> {plain(picture.caption)}"
    if picture.png is None:
        return (
            f'<figure class="missing"><p><strong>Picture missing:</strong> '
            f"{plain(picture.missing)}</p><figcaption>{told}</figcaption></figure>"
        )
    data = base64.b64encode(picture.png).decode("ascii")
    return (
        f'<figure><img alt="{plain(picture.title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{told}</figcaption></figure>"
    )
