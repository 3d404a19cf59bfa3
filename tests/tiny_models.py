"""Tiny configs and tokenizers of each family of models."""

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = [
    *("the", "a", "cat", "dog", "sat", "on", "mat", "ran", "far", "in", "rain", "very", "old", "young"),
    *("man", "woman", "reads", "book", "query", ":", "{", "}", "0", "1"),
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]
DECODER = ["<unk>", "<s>", "<|end|>", "<|turn|>"]
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
GROUPED = SIZE | {"num_key_value_heads": 2, "head_dim": 8, "bos_token_id": 1, "eos_token_id": 2}
# family: config class, settings, tokenizer
FAMILIES = {
    "bert": ("BertConfig", SIZE, "bert"),
    "electra": ("ElectraConfig", SIZE | {"embedding_size": 16}, "bert"),
    "distilbert": ("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, "bert"),
    "roberta": ("RobertaConfig", SIZE | {"type_vocab_size": 1, "pad_token_id": 1}, "roberta"),
    "xlm-roberta": ("XLMRobertaConfig", SIZE | {"type_vocab_size": 1, "pad_token_id": 1}, "roberta"),
    "qwen3": ("Qwen3Config", GROUPED, "end"),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"sliding_window": 4, "query_pre_attn_scalar": 8}, "start"),
    "llama": ("LlamaConfig", {key: value for key, value in GROUPED.items() if key != "head_dim"}, "start"),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, "plain"),
    "t5": ("T5Config", {"d_model": 32, "d_ff": 48, "num_layers": 2, "num_heads": 4, "d_kv": 8}, "roberta"),
}
# Wide enough for blocks of 64 numbers, as weights in 4 bits are kept in.
WIDE = {"hidden_size": 64, "intermediate_size": 128}
FAMILIES |= {
    "wide-bert": ("BertConfig", SIZE | WIDE, "bert"),
    "wide-qwen3": ("Qwen3Config", GROUPED | WIDE | {"head_dim": 16}, "end"),
    "wide-gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}, "plain"),
    "wide-t5": ("T5Config", {"d_model": 64, "d_ff": 128, "num_layers": 2, "num_heads": 4, "d_kv": 16}, "roberta"),
}
SMALL_RANGE = {"distilbert": {"initializer_range": 0.3, "max_position_embeddings": 64}}
SMALL_RANGE |= {
    name: {"initializer_range": 0.3, "bos_token_id": 2, "eos_token_id": 2} for name in ("gpt2", "wide-gpt2")
}


def make_tokenizer(kind):
    special = {"bert": BERT, "roberta": ROBERTA}.get(kind, DECODER)
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*special, *WORDS]))}
    unknown = next(word for word in special if "unk" in word.lower())
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    forms = {
        "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
        "roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
        "end": ("$A <|end|>", "$A $B <|end|>"),
        "start": ("<s> $A", "<s> $A $B"),
    }
    if kind in forms:
        single, pair = forms[kind]
        ids = [(word, vocabulary[word]) for word in special]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
    named = {
        "bert": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
        "roberta": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"},
        # As Qwen3-Embedding has it: the padding is also the end of each text.
        "end": {"pad_token": "<|end|>", "eos_token": "<|end|>"},
        "start": {"bos_token": "<s>", "eos_token": "<|end|>"},
        "plain": {"eos_token": "<|end|>"},
    }[kind]
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if kind == "bert" else ["input_ids", "attention_mask"]
    named |= {"unk_token": unknown, "model_input_names": inputs, "model_max_length": 10**30}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    fast.add_special_tokens({"additional_special_tokens": special})
    return fast


def make_config(family, **settings):
    name, size, kind = FAMILIES[family]
    size = size | SMALL_RANGE.get(family, {}) | {"vocab_size": len(make_tokenizer(kind))} | settings
    return getattr(transformers, name)(**size)
