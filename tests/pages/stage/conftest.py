"""A presenter's window and a visitor's, and nothing shown yet."""

import pytest

from pages.parts.roles import exposure, role
from pages.parts.roles.windows import Windows
from pages.parts.stage.state import stage


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    """Of an app that others reach."""
    monkeypatch.setattr(exposure, "is_open", lambda: True)
    monkeypatch.setattr(role, "windows", Windows())
    monkeypatch.setattr(stage, "shown", None)
    role.windows.enter("operator")
    role.windows.secret("visitor")
    return role.windows
