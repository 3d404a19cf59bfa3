"""What no class of transformers or peft loads is refused with the reason, and nothing is written."""

import pytest

from tuneoff.exporting import export
from tuneoff.exporting.form import NotExportableError

REASONS = {
    "knn": "knn is not exported: rows of train stand in the place of a head",
    "prompt": "prompt is not exported: its virtual tokens",
    "pairs": "logistic-regression is not exported: its head takes the vectors of two texts",
}


def test_it_is_refused_with_the_reason(finished, tmp_path):
    entries = [{"name": "knn"}, {"name": "prompt"}, {"name": "pairs", "use": "logistic-regression", "features": "pair"}]
    store = finished(entries, model={"name": "tiny"})
    for technique, reason in REASONS.items():
        with pytest.raises(NotExportableError, match=reason):
            export(store.root, tmp_path / "to", technique=technique)
    assert not (tmp_path / "to").exists()
