"""The demo as it was planned, with its case: read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from exports.again import read_plan
from template_designer.model import Plan
from tests.paths import DEMO


@pytest.fixture(scope="session")
def demo_folder(planned_demo) -> Path:
    return planned_demo[0]


@pytest.fixture(scope="session")
def demo_plan(demo_folder) -> Plan:
    return read_plan(demo_folder, DEMO / "case.toml")
