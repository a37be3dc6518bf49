"""The page to steer a plan on: a session that holds its state, and what shows it in a browser.

:mod:`~template_designer.page.session` is plain Python and needs no browser;
:mod:`~template_designer.page.app` serves it on this machine only.
"""

from template_designer.page.entry_moves import EntryOffset
from template_designer.page.session import PlanningSession, Search

__all__ = ["EntryOffset", "PlanningSession", "Search"]
