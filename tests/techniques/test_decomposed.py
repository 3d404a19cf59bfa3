"""LoRA that starts from parts of a layer's own weight: there are no more parts than its smaller side."""

import pytest
from peft import LoraConfig, get_peft_model

from tuneoff.errors import ModelError
from tuneoff.models.classifier import build_meta
from tuneoff.training.build import apply_technique

TECHNIQUES = ["pissa", "olora"]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_rank_above_the_smaller_side_is_refused_where_peft_takes_a_lower_one_unsaid(
    name, load, bare, make_technique, resolve
):
    """On queries of 32 x 32, also where there are shapes alone; peft goes on scaling by the rank that it was given."""
    config = LoraConfig(r=40, lora_alpha=40, target_modules=["query"], init_lora_weights=name)
    layer = get_peft_model(bare("bert"), config).base_model.model.encoder.layer[0].attention.self.query
    assert layer.lora_A["default"].weight.shape == (32, 32) and layer.r["default"] == 40
    for classifier in (load("bert"), build_meta(resolve("bert"), 3)):
        with pytest.raises(ModelError, match=f"{name}: rank is 40, and a layer's decomposition has 32 parts"):
            apply_technique(make_technique(name, rank=40), classifier, 0)


@pytest.mark.parametrize("name", [*TECHNIQUES, "mica"])
def test_the_same_by_pefts_own_names(name, load, make_technique):
    fields = {"type": "LORA", "init_lora_weights": name}
    with pytest.raises(ModelError, match=r"peft: rank is 33, and a layer's decomposition has 32 parts"):
        apply_technique(make_technique("peft", peft=fields | {"r": 33}), load("bert"), 0)
    assert apply_technique(make_technique("peft", peft=fields | {"r": 32}), load("bert"), 0)
