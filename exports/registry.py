"""Every file a plan is written to: a new format is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exports import (
    drawing_dxf,
    drawing_pdf,
    drawing_svg,
    dvh_plot,
    fit_gauge,
    markups,
    needle_book,
    needle_sheet,
    needle_table,
    patient_stl,
    plan_json,
    preview,
    report_html,
    report_pdf,
    scene,
    slices,
    step,
    stl,
    structure_meshes,
    threemf,
    views,
)
from exports.dicom import rtdose, rtplan, rtstruct
from exports.report_pictures import once

Build = Callable[..., bytes | Mapping[str, bytes]]
"""Makes a file's bytes of a plan, or of a plan and one of its templates; see :class:`Format`."""


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    ``file`` is its name in the plan's folder. Where it holds a ``*``, ``build(plan, template)``
    makes one file a template, and ``*`` stands for nothing if there is a single one, else for
    ``-T1``, ``-T2`` ... Where it holds ``**``, ``build(plan)`` makes several files: a mapping of
    what stands for ``**`` to bytes; each must say ``template-designer`` in its first 256 bytes, by
    which it is known as the program's own. Else it is ``build(plan)``.
    """

    name: str  # for ``export --format``; lines that share one are written together
    file: str
    build: Build
    purpose: str
    needs_case: bool = False  # dose grid, surfaces or images: not in plan.json
    by_design: bool = True  # whether ``design`` writes it
    design_build: Build | None = None  # what ``design`` makes in its place, where that is quicker
    problem: Callable[[], str | None] = lambda: None  # why it cannot be made on this machine


_SLICER = "3D Slicer; drop the folder slicer/ into it"

FORMATS: tuple[Format, ...] = (
    Format("json", "plan.json", plan_json.build, "everything, for programs and later exports"),
    Format("stl", "template*.stl", stl.build, "the plate in print pose, mm"),
    Format("3mf", "template*.3mf", threemf.build, "the same with its unit, plan id and hash"),
    Format(
        "step",
        "template*.step",
        step.build,
        "the same with true cylinders, for CAD and milling",
        by_design=False,
        problem=step.problem,
    ),
    Format("fit-gauge", "fit-gauge.stl", fit_gauge.build, "print this first: which bore fits"),
    Format("csv", "needles.csv", needle_table.build, "needle table for spreadsheets"),
    Format("xlsx", "needles.xlsx", needle_book.build, "needle workbook", needs_case=True),
    Format("pdf", "needles.pdf", needle_sheet.build, "needle table to print", needs_case=True),
    Format("dxf", "drawing*.dxf", drawing_dxf.build, "drill drawing 1:1, for CAD and milling"),
    Format("svg", "drawing*.svg", drawing_svg.build, "drill drawing 1:1, for browsers and print"),
    Format("drawing-pdf", "drawing*.pdf", drawing_pdf.build, "drill drawing 1:1, dimensioned"),
    Format("dicom", "RTPLAN.dcm", rtplan.build, "DICOM plan", needs_case=True),
    Format("dicom", "RTDOSE.dcm", rtdose.build, "DICOM dose", needs_case=True),
    Format("dicom", "RTSTRUCT.dcm", rtstruct.build, "DICOM structures", needs_case=True),
    Format("slicer", "slicer/needles.mrk.json", markups.build_needles, f"needles; {_SLICER}"),
    Format("slicer", "slicer/seeds.mrk.json", markups.build_seeds, f"seeds; {_SLICER}"),
    Format("slicer", "slicer/template*-patient.stl", patient_stl.build, f"plate; {_SLICER}"),
    Format(
        "structures",
        "slicer/structures/**.vtp",
        structure_meshes.build,
        f"target and organs; {_SLICER}",
        needs_case=True,
    ),
    Format(
        "preview",
        "preview.png",
        once(preview.build),
        "picture of plate, needles and dose",
        needs_case=True,
        problem=preview.rendering_problem,
    ),
    Format(
        "views",
        "views/**.png",
        once(views.build),
        "pictures from operator, side, cord and skin; isodoses",
        needs_case=True,
        by_design=False,
        problem=views.rendering_problem,
    ),
    Format("scene", "scene.html", scene.build, "3D scene for any browser", needs_case=True),
    Format(
        "slices",
        "slices/**.png",
        once(slices.build),
        "CT slices with dose",
        needs_case=True,
        by_design=False,
    ),
    Format("dvh", "dvh.png", once(dvh_plot.build), "dose-volume histograms", needs_case=True),
    Format(
        "report",
        "report.html",
        report_html.build,
        "the plan to read; design's own has fewer pictures",
        needs_case=True,
        design_build=report_html.build_quick,
    ),
    Format(
        "report-pdf",
        "report.pdf",
        report_pdf.build,
        "the same to print",
        needs_case=True,
        by_design=False,
    ),
)
"""In the order in which they are written."""

EXPORTERS: dict[str, Build] = {
    item.file: item.design_build or item.build for item in FORMATS if item.by_design
}
"""What ``design`` writes: file name -> what makes it."""

STUDIES = ("pareto.csv", "pareto.png", "explain.json", "comparison.html", "comparison.pdf")
"""What ``design --pareto``, ``--explain`` and ``report A B`` write beside a plan."""
