"""Every file a plan is written to: a new format is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable

from exports import needle_table, plan_json, preview, stl

EXPORTERS: dict[str, Callable[..., bytes]] = {
    "plan.json": plan_json.build,
    "template*.stl": stl.build,
    "needles.csv": needle_table.build,
    "preview.png": preview.build,
}
"""File name -> what makes its bytes: ``build(plan)``.

Where the name holds a ``*`` it is ``build(plan, template)``, one file a template, and ``*`` stands
for nothing if there is a single one, else for ``-T1``, ``-T2`` ...
"""
