"""``template.3mf``: each plate in print pose with its unit and where it comes from.

3MF core specification 1.3 (3mf.io): a zip of three small XML files, written here by hand, so that
the same plan gives the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import trimesh

from exports.plan_json import plan_hash
from exports.stl import plate_mesh
from template_designer._version import SOFTWARE_NAME
from template_designer.model import Plan, Template

NOTICE = "Research and education only; not a medical device."
NAMESPACE = "http://template-designer/plan/1"
"""Of the metadata that the core specification has no name for: PlanId, Template, PlanSha256."""

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can state
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MODEL = "3D/3dmodel.model"
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" '
    'ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>\n'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Target="/{_MODEL}" Id="model" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>\n'
)


def build(plan: Plan, template: Template) -> bytes:
    """3MF of one plate in print pose, millimetres; the mesh is that of the STL, to the last bit.

    Returns
    -------
    bytes
        A zip; title, plan id, template and the plan's SHA-256 are metadata of the model.
    """
    files = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _RELATIONS,
        _MODEL: _model(plan, template, plate_mesh(plan, template)),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, _FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text.encode("utf-8"), compresslevel=6)
    return packed.getvalue()


def metadata(plan: Plan, template: Template) -> dict[str, str]:
    """What the model says of itself, by the names of the file."""
    return {
        "Title": f"{plan.id} {template.name}",
        "Application": f"{SOFTWARE_NAME} {plan.software_version}",
        "Description": f"Needle template {template.name} of plan {plan.id}. {NOTICE}",
        "plan:PlanId": plan.id,
        "plan:Template": template.name,
        "plan:PlanSha256": plan_hash(plan),
    }


def _model(plan: Plan, template: Template, mesh: trimesh.Trimesh) -> str:
    title = quoteattr(f"{plan.id} {template.name}")
    stated = "".join(
        f"<metadata name={quoteattr(name)}>{escape(value)}</metadata>\n"
        for name, value in metadata(plan, template).items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}" xmlns:plan="{NAMESPACE}">\n'
        f'{stated}<resources>\n<object id="1" type="model" name={title}>\n<mesh>\n'
        f"<vertices>\n{_vertices(mesh)}\n</vertices>\n"
        f"<triangles>\n{_triangles(mesh)}\n</triangles>\n"
        '</mesh>\n</object>\n</resources>\n<build>\n<item objectid="1"/>\n</build>\n</model>\n'
    )


def _vertices(mesh: trimesh.Trimesh) -> str:
    """Every vertex with the 9 digits that give a single-precision number back exactly."""
    rows = np.asarray(mesh.vertices, dtype=np.float32).tolist()
    return "\n".join(f'<vertex x="{x:.9g}" y="{y:.9g}" z="{z:.9g}"/>' for x, y, z in rows)


def _triangles(mesh: trimesh.Trimesh) -> str:
    rows = np.asarray(mesh.faces).tolist()
    return "\n".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in rows)
