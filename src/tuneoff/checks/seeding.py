"""Does a seed decide what is drawn, and nothing else?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    import torch

    from tuneoff.checks.patient import Patient
    from tuneoff.planned import PlannedStage
    from tuneoff.training.workplace import Workplace


class Seeding(Check):
    """What is trained, as it is before the first step, from one seed twice and from another."""

    name = "seeding"
    question = "Does one seed give the same start again, and another seed another one?"

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Build each kind of stage from one seed twice, with torch's global seed moved between, and from another."""
        for place, stage in patient.alone():
            yield self._of_stage(place, stage)

    def _of_stage(self, place: "Workplace", stage: "PlannedStage") -> Finding:
        import torch

        from tuneoff.checks.of_stage import seed_of

        about = f"{stage.spec.technique} on {place.model.name}"
        seed = seed_of(stage)
        with torch.random.fork_rng():
            first = self._start(stage, place, seed)
            torch.manual_seed(seed % 1000 + 1)
            again = self._start(stage, place, seed)
            other = self._start(stage, place, seed + 1)
        moved = sorted(name for name, value in first.items() if not torch.equal(value, again[name]))
        if moved:
            return self.finding(
                "error",
                f"The same seed gives another start: {moved[0]} differs.",
                "Draw initial numbers from the run's seed (torch's global generator, which is seeded before `apply`).",
                about=about,
                evidence={"tensors": moved},
            )
        if not any(value.numel() for value in first.values()):
            return self.finding("fine", "Nothing is drawn: it has no numbers before it is fitted.", about=about)
        drawn = [name for name, value in first.items() if not torch.equal(value, other[name])]
        if not drawn:
            return self.finding(
                "error",
                "Another seed gives the same start: the head does not depend on the seed.",
                "Initialise the head after its seed is set; else the seeds of a study repeat one run.",
                about=about,
            )
        sentence = f"One seed gives the same start again, and another seed another {drawn[-1]}."
        return self.finding("fine", sentence, about=about, evidence={"drawn": len(drawn)})

    def _start(self, stage: "PlannedStage", place: "Workplace", seed: int) -> "dict[str, torch.Tensor]":
        from tuneoff.checks.of_stage import classifier_of
        from tuneoff.training.build import trainable

        _, classifier = classifier_of(stage, place, seed=seed)
        return {name: value.detach().cpu() for name, value in trainable(classifier).items()}
