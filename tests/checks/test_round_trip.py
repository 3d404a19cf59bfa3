import sys

import pytest
import torch

from tuneoff.checks.round_trip import RoundTrip
from tuneoff.techniques.lora import Lora


def test_what_is_saved_gives_the_same_logits_elsewhere_and_what_is_not_saved_is_missed(studied, monkeypatch):
    def drift(self, classifier, step):
        with torch.no_grad():
            next(classifier.backbone.parameters()).add_(0.1 * step)

    monkeypatch.setattr(Lora, "after_step", drift)
    probe, full, lora = RoundTrip().of_study(studied(["linear-probe", "full", "lora"], "qwen3"))
    assert [probe.severity, full.severity, lora.severity] == ["fine", "fine", "error"]
    assert lora.about == "lora on tiny-qwen3" and "gives other logits" in lora.sentence
    assert max(probe.evidence["difference"], full.evidence["difference"]) < 1e-6


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for Python")
def test_what_the_other_process_says_comes_through_in_any_encoding(studied, monkeypatch, tmp_path):
    """Its own encoding would be the system's code page, here one that has no Cyrillic letters."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'raise SystemExit(\"нет файла\")'\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (found,) = RoundTrip().of_study(studied(["linear-probe"]))
    assert found.sentence == "What was saved cannot be loaded again: нет файла."


def test_a_process_that_cannot_read_it_is_told(studied, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    (found,) = RoundTrip().of_study(studied(["linear-probe"]))
    assert found.severity == "error" and found.sentence.startswith("What was saved cannot be loaded again")
