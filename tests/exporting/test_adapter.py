"""Adapters of every kind of peft, injected in a classifier, come back from peft's own loader with the same logits."""

from types import SimpleNamespace

import peft
import pytest
import torch

from tuneoff.exporting.adapter import adapter_model
from tuneoff.exporting.form import Form, NotExportableError
from tuneoff.exporting.snippet import loading_settings
from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.models.text import collate, load_tokenizer, tokenize

# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
TEXTS = ["the cat", "the old man reads a very old book on the mat", "a"]
TYPES = [
    *(peft.LoraConfig(r=2, use_dora=True), peft.LoraConfig(r=2, use_rslora=True)),
    *(peft.LoHaConfig(r=2), peft.LoKrConfig(r=2), peft.HRAConfig(r=2), peft.FourierFTConfig(n_frequency=9)),
    peft.OFTConfig(r=0, oft_block_size=4),
    peft.IA3Config(feedforward_modules=[]),
    peft.LoraConfig(r=2, rank_pattern={"layers.0.self_attn.q_proj": 1}),
]


@pytest.fixture
def adapted(resolve):
    """Return a function that puts an adapter on a tiny model, with random numbers in it; gives what export works on."""

    def make(family, config, targets):
        model = resolve(family)
        classifier = load_classifier(model, ["no", "yes"], device="cpu")
        init_head(classifier, 0)
        config.target_modules = targets
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            peft.inject_adapter_in_model(config, classifier.backbone)
            for value in classifier.backbone.parameters():
                if value.requires_grad and value.ndim:
                    value += 0.1 * torch.randn_like(value)
        classifier.eval()
        return SimpleNamespace(classifier=classifier, model=model, classes=("no", "yes"))

    return make


def logits_of(trained):
    ids = tokenize(trained.model, load_tokenizer(trained.model), (TEXTS,)).ids
    padded = collate(ids, 1, "right")
    with torch.no_grad():
        return padded, trained.classifier(*padded)


@pytest.mark.parametrize("config", TYPES, ids=lambda one: f"{one.peft_type.value}-{getattr(one, 'use_dora', '')}")
def test_any_type_comes_back_with_peft(adapted, config, tmp_path):
    trained = adapted("qwen3", config, ["q_proj", "v_proj"])
    form = Form(classifies=True, adapter=True, bare="AutoModel")
    settings = loading_settings(trained, form, 1)
    base = str(trained.model.path)
    adapter_model(trained, form, base, settings).save_pretrained(tmp_path, save_embedding_layers=False)
    (ids, mask), expected = logits_of(trained)
    again = peft.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path, **settings).eval()
    with torch.no_grad():
        found = again(input_ids=ids, attention_mask=mask).logits
        plain = again.base_model
        plain.disable_adapter_layers()
        without = again(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (without - expected).norm() > 1e-2 * expected.norm()  # the adapter does something


def test_a_pattern_of_names_reaches_the_class(adapted, tmp_path):
    trained = adapted("qwen3", peft.LoraConfig(r=2), r"layers\.1\..*\.(q|v)_proj")
    form = Form(classifies=True, adapter=True, bare="AutoModel")
    model = adapter_model(trained, form, "base", loading_settings(trained, form, 1))
    reached = {name for name, _ in model.named_parameters() if ".lora_A" in name}
    assert len(reached) == 2 and all("layers.1." in name for name in reached)


def test_a_base_that_was_changed_beside_the_adapter_is_noticed(adapted):
    trained = adapted("qwen3", peft.LoraConfig(r=2), ["q_proj"])
    form = Form(classifies=True, adapter=True, bare="AutoModel")
    with torch.no_grad():
        trained.classifier.backbone.norm.weight += 0.01
    with pytest.raises(NotExportableError, match=r"own weights were changed \(norm\.weight"):
        adapter_model(trained, form, "base", loading_settings(trained, form, 1))


def test_an_adapter_under_another_name_is_not_taken_for_peft_s(adapted):
    trained = adapted("qwen3", peft.LoraConfig(r=2), ["q_proj"])
    trained.classifier.backbone.peft_config["second"] = trained.classifier.backbone.peft_config.pop("default")
    form = Form(classifies=True, adapter=True, bare="AutoModel")
    with pytest.raises(NotExportableError, match="under a name"):
        adapter_model(trained, form, "base", loading_settings(trained, form, 1))
