"""How ``report.html`` looks, on a screen and on paper."""

from __future__ import annotations

from exports.plan_json import plan_hash
from exports.report_document import Document
from template_designer.model.paper import Paper

_SCREEN = """
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1.5rem 3rem;max-width:75rem;background:#fff;color:#111;
font:15px/1.45 system-ui,"Segoe UI","DejaVu Sans",Arial,sans-serif}
h1{font-size:1.7rem;margin:.6rem 0 .2rem}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:2px solid #111}
h3{font-size:1.05rem;margin:1.2rem 0 .3rem}
header p{margin:.2rem 0}
.limits{border:2px solid #111;padding:.5rem .8rem}
.seals,code{overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.8rem 0 0;padding:0;list-style:none}
a{color:#003f7f}
.table{overflow-x:auto}
table{border-collapse:collapse;margin:1rem 0 .3rem}
caption{text-align:left;font-weight:700;padding:.2rem 0;white-space:normal}
th,td{border:1px solid #767676;padding:.25rem .55rem;text-align:left;vertical-align:top;
font-weight:400;unicode-bidi:isolate}
thead th{background:#e4e4e4;font-weight:700;vertical-align:bottom}
tbody tr:nth-child(even){background:#f5f5f5}
th[scope=row]{font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums}
.long,p,li,h1,h2,caption,figcaption{overflow-wrap:anywhere}
.facts th{min-width:14rem}
tr.loud{outline:3px solid #111;outline-offset:-2px}
ul.loud{border:3px solid #111;padding:.6rem .8rem .6rem 2rem;font-weight:600}
p.loud{border:3px solid #111;padding:.6rem .8rem;font-weight:600}
.missed{background:#111;color:#fff;padding:0 .35rem;letter-spacing:.04em}
.note{margin:.2rem 0 1rem;font-size:.88rem;max-width:60rem}
figure{margin:1.2rem 0}
img{display:block;max-width:100%;height:auto;border:1px solid #767676}
figcaption{margin-top:.3rem;max-width:60rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:0 1rem}
.missing p{border:2px dashed #111;padding:.8rem}
"""

_PRINT = """
@page{{size:{paper};margin:14mm 12mm 18mm;
@bottom-left{{content:"{seal}";font:6.5pt "DejaVu Sans",Arial,sans-serif}}
@bottom-right{{content:"page " counter(page) " of " counter(pages);
font:8pt "DejaVu Sans",Arial,sans-serif}}}}
@page wide{{size:{paper} landscape}}
@media print{{
body{{max-width:none;padding:0;font-size:9.5pt}}
nav{{display:none}}
section+section{{break-before:page}}
section.wide{{page:wide}}
h1,h2,h3,caption{{break-after:avoid}}
h2{{margin-top:0}}
.table{{overflow:visible}}
table{{font-size:8.5pt}}
thead{{display:table-header-group}}
tr,figure,li,.table,.pair{{break-inside:avoid}}
th,td{{padding:.12rem .35rem}}
.note{{break-before:avoid;font-size:8pt;margin:.1rem 0 .5rem}}
.limits,.loud{{font-size:9pt}}
img{{max-height:{picture_mm:g}mm;max-width:100%;width:auto;margin:0 auto}}
section.wide img{{max-height:{wide_picture_mm:g}mm}}
section.wide .pair{{grid-template-columns:1fr 1fr}}
*{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
}}
"""

_AROUND_PICTURE_MM = 70.0
"""Margins, heading and caption on a page that lies on its side."""


def style(document: Document) -> str:
    """The style sheet of a document, for the paper of its first plan; A4 where it has none."""
    paper = document.plans[0].settings.report.paper if document.plans else Paper.A4
    # hexadecimal digits only: nothing of a name stands in the style sheet
    seal = "; ".join(f"plan hash {plan_hash(plan)}" for plan in document.plans)
    across_mm, down_mm = paper.size_mm
    return _SCREEN + _PRINT.format(
        paper=paper.value,
        seal=seal,
        picture_mm=0.45 * down_mm,
        wide_picture_mm=across_mm - _AROUND_PICTURE_MM,
    )
