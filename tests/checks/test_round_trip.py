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


def test_a_process_that_cannot_read_it_is_told(studied, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    (found,) = RoundTrip().of_study(studied(["linear-probe"]))
    assert found.severity == "error" and found.sentence.startswith("What was saved cannot be loaded again")
