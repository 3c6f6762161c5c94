"""Fixtures of tests that read runs."""

from pathlib import Path

import pytest

from tests.story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "run")
