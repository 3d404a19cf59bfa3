"""Does a model that was saved give the same logits in another process?"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.planned import PlannedStage
    from tuneoff.training.workplace import Workplace

STEPS, RATE = 2, 1e-3


class RoundTrip(Check):
    """Saved, loaded in a fresh process, adapters merged."""

    name = "round-trip"
    question = "Does a trained model, saved and loaded in a fresh process, give the same logits?"

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Train each kind of stage for two steps, save it as a run does, and read it in one other process for all."""
        with tempfile.TemporaryDirectory() as folder:
            asked = [
                self._save(place, stage, Path(folder) / str(number))
                for number, (place, stage) in enumerate(patient.alone())
            ]
            (Path(folder) / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            command = [sys.executable, "-m", "tuneoff.checks.reload", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                yield self.finding(
                    "error",
                    f"What was saved cannot be loaded again: {last}.",
                    "Look at the message: it is torch's own.",
                )
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
            "about": f"{stage.spec.technique} on {place.model.name}",
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
        evidence = {"difference": apart, "tolerance": limit}
        if apart > limit:
            return self.finding(
                "error",
                f"Saved and loaded in a fresh process it gives other logits: they differ by {apart:.2g} of their size.",
                "Something that the logits depend on is not among the saved weights.",
                about=asked["about"],
                evidence=evidence,
            )
        merged = "" if asked["model"].get("load") else " and merged"
        sentence = f"Saved, loaded in a fresh process{merged} it gives the same logits, to {apart:.1g}."
        return self.finding("fine", sentence, about=asked["about"], evidence=evidence)
