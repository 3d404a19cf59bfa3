"""Models with random weights in the shape of known ones, for their speed alone. `python -m benchmarks.shapes`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data import SPLITS
from benchmarks.setting import Setting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Qwen/Qwen3-0.6B's config.json.
QWEN3 = {
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}
SHAPES = {"qwen3-0.6b": ("Qwen3Config", QWEN3)}
END = "<|endoftext|>"
WORDS = 16384  # tokens of the made tokenizer: enough to cut Russian text about as a large one does


def make(name: str, texts: list[str], folder: Path) -> None:
    """Write a model of a known shape with random weights, and a tokenizer made from the task's own texts.

    The folder is there when it is whole.
    """
    import torch
    import transformers

    kind, sizes = SHAPES[name]
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**sizes, pad_token_id=0, eos_token_id=0)
    tokenizer(texts).save_pretrained(folder)
    model: Any = transformers.AutoModel
    model.from_config(config, dtype=torch.float32).save_pretrained(folder)


def tokenizer(texts: list[str]) -> "PreTrainedTokenizerFast":
    """Return a byte-level tokenizer that ends each text with its end token, as Qwen3-Embedding's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    ids = [(END, made.token_to_id(END))]
    made.post_processor = processors.TemplateProcessing(single=f"$A {END}", pair=f"$A $B {END}", special_tokens=ids)
    fast: Any = PreTrainedTokenizerFast
    finished: PreTrainedTokenizerFast = fast(tokenizer_object=made, eos_token=END, pad_token=END)
    return finished


def main(arguments: list[str]) -> None:
    """Make the model that a setting names: its own process, so that the benchmark's does not keep the memory."""
    from tuneoff.study import TaskSpec
    from tuneoff.tasks import load_task

    name, path = arguments
    setting = Setting.load(Path(path))
    data = load_task(TaskSpec(**setting.task), need_dev=False, base=Path())
    texts = [text for split in SPLITS for column in data.splits[split].texts for text in column]
    folder = Path(setting.model)
    unfinished = folder.with_name(f"{folder.name}.tmp")
    make(name, texts, unfinished)
    unfinished.rename(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
