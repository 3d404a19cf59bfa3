import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "fabricate.py"


@pytest.fixture(scope="session")
def made_up():
    """The class that makes up run directories: made_up(techniques=..., seeds=...).write(folder)."""
    if "fabricate" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fabricate", SOURCE)
        module = importlib.util.module_from_spec(spec)
        sys.modules["fabricate"] = module
        spec.loader.exec_module(module)
    return sys.modules["fabricate"].Fabricated
