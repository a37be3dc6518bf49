"""``report.pdf``: the report on paper, the sections of ``report.html`` page by page."""

from __future__ import annotations

from exports.pdf_page import Page, lying, upright, write_pages
from exports.report_content import plan_document
from exports.report_document import LIMITS, Document, Lines
from exports.report_flow import pages_of
from template_designer.model import Plan


def build(plan: Plan) -> bytes:
    """The report of one plan on the paper of ``[report] paper``, the same bytes every time.

    Plan id, hash and page number stand on every page.
    """
    return pdf_of(plan_document(plan))


def pdf_of(document: Document) -> bytes:
    """Lay a document out on paper."""
    paper = document.plans[0].settings.report.paper
    pages: list[Page] = []
    for number, section in enumerate(document.sections):
        parts = section.parts
        if number == 0:
            parts = (Lines("", (LIMITS,), loud=True), *parts)
        size = lying(paper) if section.is_wide else upright(paper)
        pages += pages_of(parts, size, section.title)
    first, *others = document.plans
    return write_pages(first, pages, title=document.title, head=document.head, beside=others)
