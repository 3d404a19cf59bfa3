"""Does a seed decide what is drawn, and nothing else?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    import torch

    from tuneoff.checks.patient import Patient
    from tuneoff.planned import PlannedStage
    from tuneoff.training.workplace import Workplace

ENGLISH = {
    "other_start": "The same seed gives another start: {tensor} differs.",
    "draw_from_seed": "Draw initial numbers from the run's seed (torch's global generator, which is seeded before "
    "`apply`).",
    "nothing_drawn": "Nothing is drawn: it has no numbers before it is fitted.",
    "same_start": "Another seed gives the same start: the head does not depend on the seed.",
    "seed_before_head": "Initialise the head after its seed is set; else the seeds of a study repeat one run.",
    "seeded": "One seed gives the same start again, and another seed another {tensor}.",
}
RUSSIAN = {
    "other_start": "С тем же зерном начальное состояние получается другим: различается {tensor}.",
    "draw_from_seed": "Берите начальные числа по зерну прогона (из общего генератора torch: зерно ставится ему до "
    "`apply`).",
    "nothing_drawn": "Случайных чисел здесь нет: до подгонки у способа нет весов.",
    "same_start": "С другим зерном начальное состояние то же: голова от зерна не зависит.",
    "seed_before_head": "Инициализируйте голову после того, как задано зерно; иначе зёрна исследования повторяют один "
    "и тот же прогон.",
    "seeded": "Одно и то же зерно снова даёт то же начальное состояние, а другое зерно — другие числа в {tensor}.",
}


class Seeding(Check):
    """What is trained, as it is before the first step, from one seed twice and from another."""

    name = "seeding"
    question = "Does one seed give the same start again, and another seed another one?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Build each kind of stage from one seed twice, with torch's global seed moved between, and from another."""
        for place, stage in patient.alone():
            yield self._of_stage(place, stage)

    def _of_stage(self, place: "Workplace", stage: "PlannedStage") -> Finding:
        import torch

        from tuneoff.checks.of_stage import seed_of

        about = message("stage", technique=stage.spec.technique, model=place.model.name)
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
                "other_start",
                "draw_from_seed",
                about=about,
                evidence={"tensors": moved},
                values={"tensor": moved[0]},
            )
        if not any(value.numel() for value in first.values()):
            return self.finding("fine", "nothing_drawn", about=about)
        drawn = [name for name, value in first.items() if not torch.equal(value, other[name])]
        if not drawn:
            return self.finding("error", "same_start", "seed_before_head", about=about)
        values = {"tensor": drawn[-1]}
        return self.finding("fine", "seeded", about=about, evidence={"drawn": len(drawn)}, values=values)

    def _start(self, stage: "PlannedStage", place: "Workplace", seed: int) -> "dict[str, torch.Tensor]":
        from tuneoff.checks.of_stage import classifier_of
        from tuneoff.training.build import trainable

        _, classifier = classifier_of(stage, place, seed=seed)
        return {name: value.detach().cpu() for name, value in trainable(classifier).items()}
