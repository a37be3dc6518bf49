"""The hash that a written file of data states of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def content_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of all that data state beside ``hash``: JSON without spaces, keys in order."""
    rest = {key: value for key, value in data.items() if key != "hash"}
    text = json.dumps(
        rest, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
