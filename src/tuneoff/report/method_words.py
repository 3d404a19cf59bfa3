"""What the paragraph for a paper says, by message id; `{cite}` and names bring their sources with them."""

from collections.abc import Mapping

METHODS: Mapping[str, str] = {
    "html.paper": "For a paper",
    "html.paper.note": "What this study did, ready to be quoted, and the sources of what it used.",
    "html.bibtex": "BibTeX",
    "html.save": "Download as {name}",
    "methods.compared": "We compared {techniques} for fine-tuning {models} on {tasks}.",
    "methods.one": "We used {techniques} to fine-tune {models} on {tasks}.",
    "methods.then": " followed by ",
    "methods.named": "{technique} as '{name}'",
    "methods.model": "{model} ({architecture}, {layers} layers, hidden size {hidden}, {parameters} parameters) was "
    "pooled to one vector a text ({pooling}), under a classification head of {head_parameters} parameters; texts were "
    "cut at {max_length} tokens.",
    "methods.trained": "Trained parameters were {trained}.",
    "methods.trained.one": "{n} ({technique})",
    "methods.data": "{task} has {classes} classes; we used {train} examples for training, {dev} for development and "
    "{test} for testing.",
    "methods.data.no_dev": "{task} has {classes} classes; we used {train} examples for training and {test} for "
    "testing.",
    "methods.folds": "Results are cross-validated over {folds} folds.",
    "methods.budget": "Each stage was trained for {steps} steps of {batch_size} examples with AdamW{optimizer}.",
    "methods.schedule": "Unless a technique sets another, weight decay was {weight_decay}, and the learning rate "
    "{schedule} after a warm-up over {warmup:.0%} of the steps.",
    "methods.clip": "Gradients were clipped to a norm of {norm}.",
    "methods.rate": "{rate} ({technique})",
    "methods.rates": "Learning rates were {rates}.",
    "methods.seed": "There was one seed, with the same order of examples for all techniques.",
    "methods.seeds": "There were {n} seeds; under a seed, all techniques saw the examples in the same order.",
    "methods.tuned": "Settings were chosen on the development set, with {trials} random trials for each technique, "
    "learning rates up to {span} times below and above its default.",
    "methods.best": "Of each stage, the weights with the best {by} on the development set were kept.",
    "methods.last": "Reported are the weights after the last step.",
    "methods.watched_test": "Learning curves were measured on the test set; nothing was chosen by them.",
    "methods.interval": "Accuracies have 95% intervals over seeds and examples.",
    "methods.interval.examples": "Accuracies have 95% intervals over the test examples{cite}.",
    "methods.pairs": "Techniques were compared in pairs on the same test examples by {tests}, two-sided, with Holm's "
    "correction{cite} over {pairs} pairs at a level of 5%.",
    "methods.race": "Seeds were added in rounds until it was clear which technique is best; pairs were compared on the "
    "same test examples by {tests}, two-sided, at a level of 5% shared among {pairs} pairs and spent over the "
    "rounds{cite}.",
    "methods.margin": "Equality within {margin} points was tested by two one-sided tests{cite}.",
    "methods.machine": "Training ran on {devices} in {precisions}.",
    "methods.software": "We used {software}.",
    "methods.library": "{name} {version}",
    "schedule.linear": "fell linearly to zero",
    "schedule.cosine": "fell to zero along a cosine",
    "schedule.constant": "stayed constant",
    "test.exact McNemar": "the exact McNemar test",
    "test.generalised p-value over seeds and examples": "a generalised p-value over seeds and examples",
    "technique.full": "full fine-tuning",
    "technique.linear-probe": "linear probing",
    "technique.lora-all": "LoRA on all linear layers",
    "technique.top-layers": "fine-tuning of the top layers",
    "technique.prefix": "prefix tuning",
    "technique.prompt": "prompt tuning",
    "technique.gradual-unfreezing": "gradual unfreezing",
    "technique.layerwise-decay": "discriminative learning rates",
    "cite.brackets": "({sources})",
    "cite.one": "{first} {year}",
    "cite.two": "{first} and {last} {year}",
    "cite.many": "{first} et al. {year}",
}
