"""``template.step``: each plate in print pose as exact solids, for CAD and milling (AP214, mm).

Needs OpenCascade, an optional extra. Bores, counter-sinks, pockets and mounting holes are true
cylinders, cones and spheres; what is engraved is the same as in the STL to 0.05 mm.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from exports.opengl import SkippedFileError
from exports.plan_json import plan_hash
from exports.stl import bored_labels
from template_designer._version import SOFTWARE_NAME
from template_designer.errors import OutputError
from template_designer.geometry.plate_checks import bored_holes, check_features, check_lattice
from template_designer.geometry.plate_face import Face, lay_out_face
from template_designer.geometry.plate_rim import RimText, lay_out_rim
from template_designer.geometry.plate_solid import FREE_MM, SINK_SLOPE, side_frame, top_frame
from template_designer.geometry.plate_style import PlateStyle
from template_designer.model import Hole, Plan, Template

SCHEMA = "AP214IS"
ROUGH_MM = 0.05
"""Outlines of what is engraved may stray this far: a tenth of what printers and cutters resolve."""

_SAME_MM = 1e-6


def problem() -> str | None:
    """Why no STEP file can be made here; None if it can."""
    if importlib.util.find_spec("OCP") is not None:
        return None
    return (
        "no STEP file: OpenCascade is not installed; install it with: "
        f"pip install '{SOFTWARE_NAME}[step]'"
    )


def build(plan: Plan, template: Template) -> bytes:
    """STEP of one plate in print pose: one solid, with the same bytes every time.

    It takes half a minute: a plate has hundreds of bores and thousands of engraved faces.

    Raises
    ------
    SkippedFileError
        If OpenCascade is not installed.
    OutputError
        If OpenCascade fails to cut or to write.
    """
    missing = problem()
    if missing is not None:
        raise SkippedFileError(missing)
    style = PlateStyle.of(template.features)
    holes = bored_holes(template, bored_labels(plan, template))
    check_lattice(template, holes, style)
    face = lay_out_face(template, holes, style)
    check_features(template, face.outline, style)
    tools = [
        *_sinks(template, holes, face),
        *_pockets(template),
        *_engravings(plan, template, face, style),
    ]
    solid = _cut(_body(template, holes, face), tools, template.name)
    return _file(solid, plan, template)


def _body(template: Template, holes: Iterable[Hole], face: Face) -> Any:
    """The plate with everything that goes right through it: one face with circles, extruded."""
    circles = [(h.x_mm, -h.y_mm, 0.5 * template.bore_of(h)) for h in holes]
    circles += [(h.x_mm, -h.y_mm, 0.5 * h.diameter_mm) for h in template.features.mounting_holes]
    return _prism(face.outline, np.eye(4), template.size_mm[2], circles)


def _sinks(template: Template, holes: Iterable[Hole], face: Face) -> Iterator[Any]:
    """Counter-sinks of the bores: cones, a little out of the operator face."""
    from OCP.BRepPrimAPI import BRepPrimAPI_MakeCone

    for hole in holes:
        radius = 0.5 * template.bore_of(hole)
        wider = face.face_mm[hole.label] - radius
        if wider > _SAME_MM:
            deep = SINK_SLOPE * wider
            axes = _axes((hole.x_mm, -hole.y_mm), template.size_mm[2] - deep)
            outside = radius + wider + FREE_MM / SINK_SLOPE
            yield BRepPrimAPI_MakeCone(axes, radius, outside, deep + FREE_MM).Shape()


def _pockets(template: Template) -> Iterator[Any]:
    """Marker pockets: a cylinder from under the patient face, and the sphere at its end."""
    from OCP.BRepPrimAPI import BRepPrimAPI_MakeCylinder, BRepPrimAPI_MakeSphere
    from OCP.gp import gp_Pnt

    for pocket in template.features.markers:
        radius = 0.5 * pocket.pocket_mm
        centre = pocket.depth_mm + 0.5 * pocket.sphere_mm - radius
        place = (pocket.x_mm, -pocket.y_mm)
        yield BRepPrimAPI_MakeCylinder(_axes(place, -FREE_MM), radius, centre + FREE_MM).Shape()
        yield BRepPrimAPI_MakeSphere(gp_Pnt(*place, centre), radius).Shape()


def _engravings(plan: Plan, template: Template, face: Face, style: PlateStyle) -> Iterator[Any]:
    """What is engraved on the operator face and on the rim: prisms from the floor to outside."""
    depth = style.engraving_depth_mm + FREE_MM
    width, height, thickness = template.size_mm
    for polygon in _polygons(face.marks):
        yield _prism(polygon, top_frame(thickness, style), depth)
    rim = lay_out_rim(template, RimText(plan.id, plan_hash(plan)), style)
    for normal, shape in rim.sides:
        half = 0.5 * abs(np.dot(normal[:2], (width, height)))
        frame = side_frame(np.array(normal), half - style.engraving_depth_mm, 0.5 * thickness)
        for polygon in _polygons(shape):
            yield _prism(polygon, frame, depth)


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    plain = shapely.set_precision(shape.simplify(ROUGH_MM), 1e-4)
    parts = shapely.get_parts(plain)
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def _prism(
    polygon: Polygon,
    frame: NDArray[np.float64],
    height_mm: float,
    circles: Iterable[tuple[float, float, float]] = (),
) -> Any:
    """A polygon with round holes (x, y, radius), moved along z of a frame."""
    from OCP.BRepBuilderAPI import (
        BRepBuilderAPI_MakeEdge,
        BRepBuilderAPI_MakeFace,
        BRepBuilderAPI_MakeWire,
    )
    from OCP.BRepPrimAPI import BRepPrimAPI_MakePrism
    from OCP.gp import gp_Ax2, gp_Circ, gp_Dir, gp_Pnt, gp_Vec

    turned = orient(polygon)
    face = BRepBuilderAPI_MakeFace(_wire(np.asarray(turned.exterior.coords), frame), True)
    for ring in turned.interiors:
        face.Add(_wire(np.asarray(ring.coords), frame))
    for x, y, radius in circles:
        circle = gp_Circ(gp_Ax2(gp_Pnt(x, y, 0.0), gp_Dir(0.0, 0.0, -1.0)), radius)
        edge = BRepBuilderAPI_MakeEdge(circle).Edge()
        face.Add(BRepBuilderAPI_MakeWire(edge).Wire())
    along = (frame[:3, 2] * height_mm).tolist()
    return BRepPrimAPI_MakePrism(face.Face(), gp_Vec(*along)).Shape()


def _wire(ring: NDArray[np.float64], frame: NDArray[np.float64]) -> Any:
    """A closed polygon of a frame's plane; ``ring`` repeats its first point at the end."""
    from OCP.BRepBuilderAPI import BRepBuilderAPI_MakePolygon
    from OCP.gp import gp_Pnt

    points = ring[:-1, :2] @ frame[:3, :2].T + frame[:3, 3]
    polygon = BRepBuilderAPI_MakePolygon()
    for point in points.tolist():
        polygon.Add(gp_Pnt(*point))
    polygon.Close()
    return polygon.Wire()


def _axes(place: tuple[float, float], z_mm: float) -> Any:
    from OCP.gp import gp_Ax2, gp_Dir, gp_Pnt

    return gp_Ax2(gp_Pnt(*place, z_mm), gp_Dir(0.0, 0.0, 1.0))


def _cut(body: Any, tools: Iterable[Any], name: str) -> Any:
    """A body less its tools, proved to be one valid solid."""
    from OCP.BRepAlgoAPI import BRepAlgoAPI_Cut
    from OCP.BRepCheck import BRepCheck_Analyzer
    from OCP.collections import List_TopoDS_Shape
    from OCP.TopAbs import TopAbs_ShapeEnum
    from OCP.TopExp import TopExp_Explorer

    arguments, cutters = List_TopoDS_Shape(), List_TopoDS_Shape()
    arguments.Append(body)
    for tool in tools:
        cutters.Append(tool)
    cut = BRepAlgoAPI_Cut()
    cut.SetArguments(arguments)
    cut.SetTools(cutters)
    cut.SetUseOBB(True)
    cut.SetRunParallel(True)
    cut.Build()
    solids = []
    if cut.IsDone():
        found = TopExp_Explorer(cut.Shape(), TopAbs_ShapeEnum.TopAbs_SOLID)
        while found.More():
            solids.append(found.Current())
            found.Next()
    if len(solids) != 1 or not BRepCheck_Analyzer(solids[0]).IsValid():
        raise OutputError(
            f"template.step: OpenCascade made {len(solids)} solids of plate {name!r} instead "
            "of one that is valid; use the STL or 3MF and report this plan as a bug"
        )
    return solids[0]


def _file(solid: Any, plan: Plan, template: Template) -> bytes:
    from OCP.IFSelect import IFSelect_ReturnStatus
    from OCP.Interface import Interface_Static
    from OCP.STEPControl import STEPControl_StepModelType, STEPControl_Writer

    _quiet()
    writer = STEPControl_Writer()
    Interface_Static.SetCVal_s("write.step.schema", SCHEMA)
    Interface_Static.SetCVal_s("write.step.unit", "MM")
    Interface_Static.SetIVal_s("write.surfacecurve.mode", 0)  # readers compute these: half the size
    Interface_Static.SetCVal_s("write.step.product.name", f"{plan.id} {template.name}")
    done = IFSelect_ReturnStatus.IFSelect_RetDone
    with tempfile.TemporaryDirectory(prefix="plate-") as folder:
        path = Path(folder) / "plate.step"
        written = writer.Transfer(solid, STEPControl_StepModelType.STEPControl_AsIs) == done
        if not (written and writer.Write(str(path)) == done):
            raise OutputError(
                f"template.step: OpenCascade cannot write plate {template.name!r}; is the disk "
                f"full ({folder})?"
            )
        text = path.read_text("ascii")
    return _with_header(text, plan, template).encode("ascii")


def _with_header(text: str, plan: Plan, template: Template) -> str:
    """The file with a header of ours: no time and no path, so that it is the same every time."""
    name = f"{plan.id} {template.name}"
    header = (
        f"FILE_DESCRIPTION(('Needle template {name}, mm, plan {plan_hash(plan)}'),'2;1');\n"
        f"FILE_NAME('{name}.step','1970-01-01T00:00:00',(''),(''),"
        f"'{SOFTWARE_NAME} {plan.software_version}','{SOFTWARE_NAME}','');\n"
    )
    # OpenCascade counts its products; the number would tell how many files came before
    text = re.sub(r"PRODUCT\('[^']*','[^']*'", f"PRODUCT('{name}','{name}'", text, count=1)
    return re.sub(
        r"FILE_DESCRIPTION\(.*?(?=FILE_SCHEMA)", lambda _: header, text, count=1, flags=re.DOTALL
    )


def _quiet() -> None:
    """Keep OpenCascade from writing its statistics to the terminal."""
    from OCP.Message import Message, Message_Gravity

    for printer in Message.DefaultMessenger_s().Printers():
        printer.SetTraceLevel(Message_Gravity.Message_Fail)
