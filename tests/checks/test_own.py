import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import tuneoff
from tuneoff.errors import DataError

EXAMPLES = [
    ("the cat sat on the mat in the rain", "the cat", "yes"),
    ("old man", "young", "no"),
    ("the dog ran far", "the dog sat on the old mat and ran", "no"),
    ("a", "a", "yes"),
]


# That so small a model cannot learn from the wrong token is another finding.
LOOKED_AT = ["padding", "frozen"]


class Loop2025(torch.nn.Module):
    """Texts padded on the left, the vector at length - 1; repaired: the last attended one."""

    def __init__(self, folder, repaired):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = AutoModel.from_pretrained(folder)
        self.head = torch.nn.Linear(32, 2, bias=False)
        self.repaired = repaired

    def forward(self, input_ids, attention_mask):
        places = (attention_mask.cumsum(1) - 1).clamp(min=0)
        hidden = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=places, use_cache=False
        ).last_hidden_state
        if self.repaired:
            return self.head(hidden[:, -1])
        return self.head(hidden[torch.arange(len(hidden)), attention_mask.sum(1) - 1])


@pytest.fixture
def diagnose(model_folder):
    def made(repaired, frozen, **more):
        folder = model_folder("qwen3")
        model = Loop2025(folder, repaired)
        model.backbone.requires_grad_(not frozen)
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-4)
        return tuneoff.doctor(
            model,
            tokenizer,
            EXAMPLES,
            forward=lambda model, batch: model(batch["input_ids"], batch["attention_mask"]),
            trains=["head."],
            optimizer=optimizer,
            **more,
        )

    return made


def test_the_loop_of_2025_has_both_its_defects_found(diagnose):
    diagnosis = diagnose(repaired=False, frozen=False, checks=LOOKED_AT)
    assert not diagnosis.healthy
    assert [one.check for one in diagnosis.errors] == ["padding", "frozen"]
    assert "[error] padding: 3 of 4 texts get other logits" in repr(diagnosis)
    assert "numbers that are not trained" in diagnosis.errors[1].sentence


def test_each_repair_is_seen(diagnose):
    assert [one.check for one in diagnose(repaired=True, frozen=False).errors] == ["frozen"]
    assert [one.check for one in diagnose(repaired=False, frozen=True, checks=LOOKED_AT).errors] == ["padding"]
    assert diagnose(repaired=True, frozen=True).healthy


def test_the_padding_token_that_is_the_end_token_is_found(model_folder):
    folder = model_folder("qwen3")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for pad, errors in ((tokenizer.pad_token_id, ["padding"]), (None, [])):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if pad is None:
            tokenizer.pad_token = "<unk>"
        model.config.pad_token_id = tokenizer.pad_token_id
        diagnosis = tuneoff.doctor(model, tokenizer, EXAMPLES, checks=["padding"])
        assert [one.check for one in diagnosis.errors] == errors
    assert "the last token" not in repr(diagnosis)


def test_the_model_is_afterwards_as_before(model_folder):
    model = Loop2025(model_folder("qwen3"), repaired=True).train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    tokenizer = AutoTokenizer.from_pretrained(model_folder("qwen3"), padding_side="left")
    forward = lambda model, batch: model(batch["input_ids"], batch["attention_mask"])  # noqa: E731
    tuneoff.doctor(model, tokenizer, EXAMPLES, forward=forward)
    assert model.training and all(value.requires_grad and value.grad is None for value in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        (EXAMPLES[:1], "1 given; at least 2"),
        ([EXAMPLES[0], ("text", 0)], "number 2: give"),
        ([("a", 0), ("b", 0)], "all have the same label"),
        ([("a", 0), (3, 1)], "number 2: give"),
    ],
)
def test_examples_that_cannot_be_used_are_told(model_folder, examples, said):
    tokenizer = AutoTokenizer.from_pretrained(model_folder("qwen3"))
    with pytest.raises(DataError, match=said):
        tuneoff.doctor(torch.nn.Linear(1, 1), tokenizer, examples)


def test_a_forward_that_gives_no_logits_and_a_check_that_there_is_not_are_told(model_folder):
    tokenizer = AutoTokenizer.from_pretrained(model_folder("qwen3"))
    model = AutoModel.from_pretrained(model_folder("qwen3"))
    with pytest.raises(DataError, match=r"forward: logits \[1, classes\] are wanted, and it gave BaseModelOutput"):
        tuneoff.doctor(model, tokenizer, EXAMPLES, forward=lambda model, batch: model(**batch))
    healthy = AutoModelForSequenceClassification.from_pretrained(model_folder("bert"))
    with pytest.raises(ValueError, match=r"there is no check padings; there are: .*padding"):
        tuneoff.doctor(healthy, AutoTokenizer.from_pretrained(model_folder("bert")), EXAMPLES, checks=["padings"])
    with pytest.raises(DataError, match="no parameter's name begins with top"):
        tuneoff.doctor(healthy, AutoTokenizer.from_pretrained(model_folder("bert")), EXAMPLES, trains=["top."])
