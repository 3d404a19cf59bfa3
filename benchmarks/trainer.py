"""The peer `trainer`: transformers.Trainer with peft, frozen what should be frozen, padded to each batch's longest."""

import tempfile
from typing import Any

import datasets
import numpy as np
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from benchmarks.classifier import load, trained_parameters
from benchmarks.counting import count_texts
from benchmarks.data import Texts, read_texts
from benchmarks.flops import Work
from benchmarks.measure import Measurement, clock
from benchmarks.setting import Setting


class TimedTrainer(Trainer):
    """A Trainer that times each evaluation."""

    found: Measurement
    clock: "Clock"

    def evaluate(self, *arguments: Any, **settings: Any) -> dict[str, float]:
        """Evaluate as ever; the next step's time begins afterwards."""
        device = self.clock.device
        begun = clock(device)
        metrics: dict[str, float] = super().evaluate(*arguments, **settings)
        self.found.add_evaluation(clock(device) - begun)
        self.clock.begin()
        return metrics


class Clock(TrainerCallback):
    """Times each step from the end of the one before, so that making the batch is in it."""

    def __init__(self, found: Measurement, device: str) -> None:
        self.found = found
        self.device = device
        self.begun = 0.0

    def begin(self) -> None:
        """Let the next step's time begin now."""
        self.begun = clock(self.device)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Let the first step's time begin."""
        self.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note a step."""
        self.found.add_step(clock(self.device) - self.begun)
        self.begin()


def measure(setting: Setting, work: Work, *, grouped: bool = False) -> Measurement:
    """Train and evaluate a work by transformers' Trainer; `grouped` takes its batches by length."""
    found = Measurement()
    texts = read_texts(setting, found, limit=setting.limit)
    texts.tokenizer.padding_side = "right"
    with found.phase("load"), tempfile.TemporaryDirectory() as folder:
        model, classifier = load(texts, setting, work, freeze=True)
        trainer = TimedTrainer(
            model=model,
            args=_arguments(setting, work, folder, grouped),
            data_collator=DataCollatorWithPadding(texts.tokenizer),
            train_dataset=_data_set(texts, "train"),
            eval_dataset=_data_set(texts, "test"),
            processing_class=texts.tokenizer,
            compute_metrics=_accuracy,
        )
    trainer.found, trainer.clock = found, Clock(found, setting.device)
    trainer.add_callback(trainer.clock)
    outcome = trainer.train()
    found.trained_parameters = trained_parameters(value for value in model.parameters() if value.requires_grad)
    found.last_loss = float(outcome.training_loss)
    count_texts(found, setting, texts, work, classifier.lengths)
    return found


def _arguments(setting: Setting, work: Work, folder: str, grouped: bool) -> TrainingArguments:
    """Return the settings of 2025; whatever they do not touch stays as it comes."""
    clip = setting.protocol["max_grad_norm"]
    return TrainingArguments(
        output_dir=folder,
        max_steps=setting.steps,
        per_device_train_batch_size=setting.batch_size,
        per_device_eval_batch_size=setting.batch_size,
        learning_rate=setting.techniques[work]["learning_rate"],
        weight_decay=setting.protocol["weight_decay"],
        lr_scheduler_type=setting.protocol["schedule"],
        max_grad_norm=0.0 if clip == "off" else clip,
        eval_strategy="steps",
        eval_steps=setting.eval_every,
        eval_on_start=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=setting.device == "cpu",
        bf16=setting.precision == "bf16",
        train_sampling_strategy="group_by_length" if grouped else "random",
    )


def _data_set(texts: Texts, split: str) -> datasets.Dataset:
    ids = texts.ids[split]
    columns = {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids], "labels": texts.labels[split]}
    return datasets.Dataset.from_dict(columns)


def _accuracy(predicted: Any) -> dict[str, float]:
    logits, labels = predicted
    return {"accuracy": float((np.argmax(logits, axis=1) == labels).mean())}
