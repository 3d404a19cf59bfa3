"""Does a second stage start where the first one ended?"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.planned import PlannedStage
    from tuneoff.training.workplace import Workplace

STEPS, RATE = 3, 1e-3

ENGLISH = {
    "other_logits": "It starts with other logits than {parent} ended with: they differ by {apart:.2g} of their size.",
    "put_in_place": "What the first stage trained (head, adapters, layers) must be in place before the second begins.",
    "same": "After {steps} steps of {parent} it starts with the same logits, to {apart:.1g}.",
}
RUSSIAN = {
    "other_logits": "Логиты в начале стадии не те, какими их оставила {parent}: расхождение составляет {apart:.2g} их "
    "величины.",
    "put_in_place": "Всё, что обучила первая стадия (голова, адаптеры, слои), должно стоять на месте до начала второй.",
    "same": "Логиты в начале стадии те же, какими их оставила {parent} (шагов: {steps}), с точностью до {apart:.1g}.",
}


class HandOver(Check):
    """The logits at the end of a stage, and at the start of the one after it."""

    name = "hand-over"
    question = "Does each later stage start with the logits that the stage before it ended with?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Train each parent stage for a few steps from where its own parents stand, and build its child from it.

        Virtual tokens, and neighbours in the head's place, change the logits from the start: these are left out.
        """
        from tuneoff.techniques import get

        stages = {stage.address: (place, stage) for place, stage in patient.kinds()}
        for place, stage in stages.values():
            keeps = get(stage.spec.technique)(stage.spec.settings).keeps_logits
            if keeps and stage.parent is not None and stage.parent in stages:
                yield self._between(stages[stage.parent][1], stage, place)

    def _between(self, parent: "PlannedStage", child: "PlannedStage", place: "Workplace") -> Finding:
        import numpy as np
        import torch

        from tuneoff.checks.loop import distance
        from tuneoff.checks.of_stage import classifier_of, examples, inputs_of, loop_of, save_trained
        from tuneoff.training.build import Ancestor
        from tuneoff.training.device import autocast

        about = message("stage", technique=child.address.chain, model=place.model.name)
        loop = loop_of(parent, place)
        loop.train(STEPS, RATE)
        ended, limit = loop.evaluated(loop.rows), loop.tolerance
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.safetensors"
            save_trained(loop, weights)
            del loop
            _, classifier = classifier_of(child, place, [Ancestor(parent.spec, parent.key or "", weights)])
        tokens, _ = examples(place)
        classifier.eval()
        with torch.no_grad(), autocast(place.accelerator.device, place.precision)():
            rows = np.arange(len(tokens.ids), dtype=np.int64)
            started = inputs_of(place, {"examples": tokens}).logits(classifier, "examples", rows).double().cpu()
        apart = distance(ended, started)
        evidence = {"difference": apart, "steps": STEPS, "tolerance": limit}
        values = {"parent": parent.address.chain, "apart": apart, "steps": STEPS}
        if apart > limit:
            return self.finding("error", "other_logits", "put_in_place", about=about, evidence=evidence, values=values)
        return self.finding("fine", "same", about=about, evidence=evidence, values=values)
