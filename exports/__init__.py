"""Turns a finished plan into files.

>>> from exports import write_plan
>>> write_plan(plan, "out/L1")  # doctest: +SKIP
>>> from exports import choose_formats, read_plan, write_formats
>>> plan = read_plan("out/L1")  # doctest: +SKIP
>>> write_formats(plan, choose_formats(["3mf"], has_case=False), "out/3mf")  # doctest: +SKIP
"""

from exports.again import check_export_folder, choose_formats, read_plan, write_formats
from exports.opengl import SkippedFileError, rendering_problem
from exports.registry import EXPORTERS, FORMATS, Format
from exports.writer import WrittenPlan, check_folder, file_names, write_plan

__all__ = [
    "EXPORTERS",
    "FORMATS",
    "Format",
    "SkippedFileError",
    "WrittenPlan",
    "check_export_folder",
    "check_folder",
    "choose_formats",
    "file_names",
    "read_plan",
    "rendering_problem",
    "write_formats",
    "write_plan",
]
