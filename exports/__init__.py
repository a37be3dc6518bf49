"""Turns a finished plan into files.

>>> from exports import write_plan
>>> write_plan(plan, "out/L1")  # doctest: +SKIP
"""

from exports.opengl import SkippedFileError, rendering_problem
from exports.registry import EXPORTERS
from exports.writer import WrittenPlan, check_folder, file_names, write_plan

__all__ = [
    "EXPORTERS",
    "SkippedFileError",
    "WrittenPlan",
    "check_folder",
    "file_names",
    "rendering_problem",
    "write_plan",
]
