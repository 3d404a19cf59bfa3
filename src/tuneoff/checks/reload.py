"""The other process of the round trip: reads what was saved, and writes its logits.

`python -m tuneoff.checks.reload DIR`.
"""

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Load each model that was saved in a folder, its adapters merged where they can be, and write its logits."""
    import numpy as np
    import torch
    from safetensors.torch import load_file, save_file

    from tuneoff.models.resolve import resolve_model
    from tuneoff.models.text import Tokens
    from tuneoff.study import ModelSpec
    from tuneoff.techniques import settings_of
    from tuneoff.techniques.base import StageSettings
    from tuneoff.techniques.composition import StageSpec
    from tuneoff.training.build import Ancestor, build_classifier, put_back
    from tuneoff.training.device import autocast
    from tuneoff.training.inputs import TokenInputs

    for asked in json.loads((folder / "asked.json").read_text(encoding="utf-8")):
        place = folder / asked["folder"]
        model = resolve_model(ModelSpec(**asked["model"]), need_weights=True)
        settings = settings_of(asked["technique"]).model_validate(asked["settings"])
        assert isinstance(settings, StageSettings)
        spec = StageSpec(asked["technique"], asked["technique"], settings, None, 0)
        device = torch.device(asked["device"])
        saved = Ancestor(spec, "", place / "weights.safetensors")
        merged = [] if model.load else [saved]  # an adapter is not merged into weights in 4 bits
        classifier = build_classifier(model, asked["classes"], merged, device, head_seed=1)
        if model.load:
            put_back(classifier, saved)
            classifier.eval()
        kept = load_file(place / "examples.safetensors")
        ids = [kept[str(number)].numpy() for number in range(len(kept))]
        inputs = TokenInputs({"examples": Tokens(ids, 0)}, sum(map(len, ids)), device)
        with torch.no_grad(), autocast(device, asked["precision"])():
            logits = inputs.logits(classifier, "examples", np.arange(len(ids), dtype=np.int64))
        save_file({"logits": logits.double().cpu()}, place / "after.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
