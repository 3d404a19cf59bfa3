"""The peer `trainer-grouped`: transformers.Trainer with its grouping of texts by length."""

from benchmarks import trainer
from benchmarks.flops import Work
from benchmarks.measure import Measurement
from benchmarks.setting import Setting


def measure(setting: Setting, work: Work) -> Measurement:
    """Train and evaluate a work by transformers' Trainer, in batches of like length."""
    return trainer.measure(setting, work, grouped=True)
