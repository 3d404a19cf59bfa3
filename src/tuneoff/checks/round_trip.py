"""Does a model that was saved give the same logits in another process?"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.planned import PlannedStage
    from tuneoff.training.workplace import Workplace

STEPS, RATE = 2, 1e-3

ENGLISH = {
    "unloadable": "What was saved cannot be loaded again: {reason}.",
    "read_message": "Look at the message: it is torch's own.",
    "other_logits": "Saved and loaded in a fresh process it gives other logits: they differ by {apart:.2g} of their "
    "size.",
    "save_all": "Something that the logits depend on is not among the saved weights.",
    "same": "Saved, loaded in a fresh process it gives the same logits, to {apart:.1g}.",
    "same_merged": "Saved, loaded in a fresh process and merged it gives the same logits, to {apart:.1g}.",
}
RUSSIAN = {
    "unloadable": "То, что было сохранено, не загружается: {reason}.",
    "read_message": "Прочтите сообщение: его выдал сам torch.",
    "other_logits": "После сохранения и загрузки в новом процессе логиты другие: расхождение составляет {apart:.2g} их "
    "величины.",
    "save_all": "Среди сохранённых весов нет чего-то, от чего зависят логиты.",
    "same": "После сохранения и загрузки в новом процессе логиты те же с точностью до {apart:.1g}.",
    "same_merged": "После сохранения, загрузки в новом процессе и слияния логиты те же с точностью до {apart:.1g}.",
}


class RoundTrip(Check):
    """Saved, loaded in a fresh process, adapters merged."""

    name = "round-trip"
    question = "Does a trained model, saved and loaded in a fresh process, give the same logits?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Train each kind of stage for two steps, save it as a run does, and read it in one other process for all."""
        with tempfile.TemporaryDirectory() as folder:
            asked = [
                self._save(place, stage, Path(folder) / str(number))
                for number, (place, stage) in enumerate(patient.alone())
            ]
            (Path(folder) / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            command = [sys.executable, "-m", "tuneoff.checks.reload", folder]
            environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # what a message quotes comes through
            done = subprocess.run(command, capture_output=True, env=environment, check=False)
            if done.returncode:
                last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
                yield self.finding("error", "unloadable", "read_message", values={"reason": last})
                return
            for one in asked:
                yield self._compared(one, Path(folder))

    def _save(self, place: "Workplace", stage: "PlannedStage", folder: Path) -> dict[str, Any]:
        """Train a stage a little, save weights, examples and logits, and return what the other process must know."""
        import torch
        from safetensors.torch import save_file

        from tuneoff.checks.of_stage import examples, loop_of, save_trained, spec_of

        folder.mkdir()
        loop = loop_of(stage, place)
        loop.train(STEPS, RATE)
        save_trained(loop, folder / "weights.safetensors")
        tokens, _ = examples(place)
        ids = {str(number): torch.from_numpy(row) for number, row in enumerate(tokens.ids)}
        save_file(ids, folder / "examples.safetensors")
        save_file({"logits": loop.evaluated(loop.rows)}, folder / "before.safetensors")
        return {
            "folder": folder.name,
            "about": message("stage", technique=stage.spec.technique, model=place.model.name),
            "model": spec_of(place.model),
            "classes": list(place.data.classes),
            "technique": stage.spec.technique,
            "settings": stage.spec.settings.model_dump(mode="json"),
            "precision": place.precision,
            "tolerance": loop.tolerance,
            "device": place.accelerator.device.type,
        }

    def _compared(self, asked: Mapping[str, Any], folder: Path) -> Finding:
        from safetensors.torch import load_file

        from tuneoff.checks.loop import distance

        before, after = (
            load_file(folder / asked["folder"] / name)["logits"] for name in ("before.safetensors", "after.safetensors")
        )
        apart, limit = distance(before, after), asked["tolerance"]
        about, evidence, values = asked["about"], {"difference": apart, "tolerance": limit}, {"apart": apart}
        if apart > limit:
            return self.finding("error", "other_logits", "save_all", about=about, evidence=evidence, values=values)
        name = "same" if asked["model"].get("load") else "same_merged"
        return self.finding("fine", name, about=about, evidence=evidence, values=values)
