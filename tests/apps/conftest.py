"""The app's modules are siblings of its entry, as Streamlit runs them."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
for folder in (REPOSITORY / "apps" / "review", Path(__file__).parent):
    sys.path.insert(0, str(folder))
