"""The training loop of the experiment of 2025 before the doctor, as it was and repaired.

    python examples/doctor_2025.py --model DIR

DIR is a decoder with its tokenizer, such as Qwen3-Embedding-0.6B or Gemma 3 270M. The loop is written again from its
description: texts padded on the left, the vector taken at `length - 1`, the head alone given to the optimizer, and
nothing frozen.
"""

import argparse

import torch
from transformers import AutoModel, AutoTokenizer

import tuneoff

EXAMPLES = [
    ("Кошка спит на окне, пока хозяйка работает в саду.", "Кошка спит.", 0),
    ("Поезд из Москвы пришёл вечером.", "Поезд пришёл утром.", 1),
    ("Мальчик прочитал книгу о море и отдал её сестре, которая тоже любит море.", "Сестра любит море.", 0),
    ("В городе открыли мост.", "Мост в городе закрыли на ремонт до весны следующего года.", 1),
    ("Врач принял семь человек до обеда, а после обеда ещё четверых.", "Врач принял людей.", 0),
    ("Снег шёл всю ночь.", "Ночью было ясно.", 1),
    ("Компания продала завод, построенный ещё до войны, своему давнему поставщику.", "Завод продан.", 0),
    ("Он не пришёл.", "Он пришёл раньше всех.", 1),
]


class Classifier(torch.nn.Module):
    """A decoder and a head on one vector a text. `repaired` pools by the attention mask, and freezes the decoder."""

    def __init__(self, folder: str, repaired: bool) -> None:
        super().__init__()
        self.backbone = AutoModel.from_pretrained(folder, dtype=torch.float32)
        self.head = torch.nn.Linear(self.backbone.config.hidden_size, 2, bias=False)
        torch.nn.init.normal_(self.head.weight, 0, 0.02)
        self.repaired = repaired
        if repaired:
            self.backbone.requires_grad_(False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits [B, 2]."""
        places = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        hidden = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=places, use_cache=False
        ).last_hidden_state
        if self.repaired:
            last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)
        else:
            last = attention_mask.sum(dim=1) - 1  # right only where the padding stands on the right
        return self.head(hidden[torch.arange(len(hidden)), last])


def main() -> None:
    """Print what the doctor finds in the loop of 2025 and in the repaired one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR")
    folder = parser.parse_args().model
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    for title, repaired in (("as in 2025", False), ("repaired", True)):
        torch.manual_seed(0)
        model = Classifier(folder, repaired)
        optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-4)
        diagnosis = tuneoff.doctor(
            model,
            tokenizer,
            EXAMPLES,
            forward=lambda model, batch: model(batch["input_ids"], batch["attention_mask"]),
            trains=["head."],
            optimizer=optimizer,
        )
        print(f"--- {title}: {len(diagnosis.errors)} errors")
        print(diagnosis)


if __name__ == "__main__":
    main()
