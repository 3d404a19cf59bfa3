"""The question a user asks, as checked models: models, tasks, techniques, protocol."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, model_validator

from tuneoff.choosing import ChooseBy
from tuneoff.naming import LONGEST_NAME, NAME, NOT_A_DEVICE, PART, plain_name, why_no_folder
from tuneoff.section import Section, keyed, unkeyed
from tuneoff.values import MOST_SEEDS, MemorySize, Norm, Seeds, in_bytes

LONGEST_TITLE = 300
Pooling = Literal["last", "mean", "first", "misindexed"]
Schedule = Literal["constant", "linear", "cosine"]
NOT_ON_TEST = "nothing is chosen on test, so it needs eval_on: dev"
PEFT = "peft"  # an entry that has this key and no `use` means the technique of this name
MICRO_TOKENS = 1500  # where the budget is not chosen from a GPU's free memory
GPU_FORWARD_TOKENS = 16_384  # without gradients nothing is kept, and a GPU idles over fewer


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_AS_A_NAME = WithJsonSchema({"type": "string", "pattern": f"^{NOT_A_DEVICE}{PART}$", "maxLength": LONGEST_NAME})
Name = Annotated[str, AfterValidator(plain_name), _AS_A_NAME]


class ModelSpec(Section):
    """A pre-trained model and how a vector is read from it. Fields left out are resolved by architecture."""

    id: str = unkeyed(doc="Hub id or local folder.", min_length=1)
    name: Name | None = unkeyed(None, doc="Name in folders and tables; by default the last part of the id.")
    label: str | None = unkeyed(
        None, doc="Name shown to readers; by default the model card's, else the name.", max_length=LONGEST_TITLE
    )
    revision: str | None = unkeyed(None, doc="Branch, tag or commit on the hub.")
    pooling: Literal["auto"] | Pooling = unkeyed(
        "auto",
        doc="Which hidden states stand for a text: last (decoders), mean or first (encoders). `misindexed` is the "
        "defect of the 2025 experiment, for replication alone.",
    )
    head: Literal["linear", "native"] = keyed(
        "linear",
        doc="`linear`: our bias-free layer on the pooled vector; `native`: the class's own pooling and head.",
    )
    prefix: str | None = unkeyed(None, doc="Text put before each text; by model if left out (e5: 'query: ').")
    template: str | None = unkeyed(None, doc="For decoders, how two texts become one; '{0}\\n{1}' if left out.")
    max_length: int | None = unkeyed(None, doc="Tokens kept of a text; 512 or the model's limit if left out.", ge=8)
    trust_remote_code: bool = unkeyed(False, doc="Run code that comes with the model; that code is in the key.")
    load: Literal["4bit"] | None = unkeyed(
        None,
        doc="`4bit`: hold the weights of the backbone's linear layers in 4 bits (nf4, double quantisation), for "
        "techniques that leave them frozen; needs bitsandbytes.",
    )

    def named(self, base: str) -> str:
        """Return the model's name, where it is called `base` if nobody says: the same, and how it is loaded."""
        if self.name or not self.load:
            return self.name or base
        return f"{base[: LONGEST_NAME - len(self.load) - 1].strip('-')}-{self.load}"


class TaskSpec(Section):
    """Where the labelled texts come from: a built-in task by name, files, or a data set of the hub."""

    name: str | None = unkeyed(
        None, doc="A built-in task (`tuneoff tasks` lists them), or a name for a task of your own."
    )
    called: Name | None = unkeyed(
        None, doc="Name in folders and tables; needed where two tasks of a study would have the same."
    )
    train: str | None = unkeyed(None, doc="File (.jsonl, .csv, .tsv, .parquet), or the hub data set's split.")
    dev: str | None = unkeyed(None, doc="The same for choosing; cut out of train where needed if left out.")
    test: str | None = unkeyed(None, doc="The same for reporting.")
    hub: str | None = unkeyed(None, doc="Id of a data set on the hub.")
    config: str | None = unkeyed(None, doc="Its configuration.")
    revision: str | None = unkeyed(None, doc="Its branch, tag or commit.")
    text: Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])] | None = unkeyed(
        None, doc="One or two columns with text.", min_length=1, max_length=2
    )
    label: str | None = unkeyed(None, doc="Column with the label.")
    group: str | None = unkeyed(None, doc="Rows with the same value stay on one side of every split we make.")
    language: str | None = unkeyed(None, doc="Of a built-in task that has several (mini_rte: ru, en).")
    data: str | None = unkeyed(None, doc="Folder with the built-in task's own files.")
    also_test: dict[Name, str | dict[str, str]] = unkeyed(
        {}, doc="Further test sets, by name: each a file like test, or a built-in task {name: mini_rte, language: en}."
    )
    drop_overlap: bool = unkeyed(False, doc="Remove train rows whose group also stands in dev or test.")
    limit: int | None = unkeyed(None, doc="Take the first N rows of each split.", ge=1)


class TechniqueSpec(Section):
    """An entry of `techniques:`: a name, the technique it uses, and settings that differ from its defaults.

    `settings` are checked by the technique itself; for a composed technique they belong to its last stage.
    """

    name: str = unkeyed(doc="Name in folders and tables.")
    use: str = unkeyed(doc="A technique, or several joined by '+'.")
    settings: dict[str, Any] = unkeyed({}, doc="Settings that differ from the technique's defaults.")

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, entry: Any) -> Any:
        if isinstance(entry, str):
            return {"name": entry, "use": entry}
        if not isinstance(entry, dict) or "settings" in entry:
            return entry
        entry = dict(entry)
        name = entry.pop("name", entry.get("use"))
        use = entry.pop("use", PEFT if PEFT in entry else name)
        return {"name": name, "use": use, "settings": entry}

    @model_validator(mode="after")
    def _names_match(self) -> "TechniqueSpec":
        for field in ("name", "use"):
            for part in getattr(self, field).split("+"):
                if not NAME.fullmatch(part):
                    raise ValueError(f"{field} '{getattr(self, field)}': use lower-case letters, digits and hyphens")
                if why := why_no_folder(part):
                    raise ValueError(f"{field} '{part}' {why}")
        if "+" in self.name and self.name != self.use:
            raise ValueError(f"name '{self.name}': '+' only composes, so use must be the same")
        return self


class Tune(Section):
    """How each technique's settings are chosen on dev: the same number of trials for each, drawn from its space."""

    trials: int = unkeyed(doc="Trials of each technique; the first has the technique's own settings.", ge=1)
    span: float = unkeyed(
        10.0, doc="Rates are drawn, evenly in their logarithm, from the own / span to it * span.", gt=1
    )
    share: float = unkeyed(1.0, doc="Share of a run's steps that a trial takes.", gt=0, le=1)
    space: dict[str, dict[str, list[Any]]] = unkeyed(
        {}, doc="Further settings by technique, each with the values to draw from: {lora: {rank: [4, 8, 16]}}."
    )


class UntilClear(Section):
    """Seeds are added in rounds, each time twice as many, until it is clear which technique is best."""

    seeds: int = unkeyed(doc="The most seeds of a technique; the first round has protocol.seeds.", ge=2, le=MOST_SEEDS)
    hours: float | None = unkeyed(None, doc="No round is begun that would probably end later than this.", gt=0)


class Protocol(Section):
    """What every technique is given alike: budget, batch, seeds, evaluation, precision."""

    steps: int | None = unkeyed(None, doc="Optimizer steps of each stage; or give epochs.", ge=1)
    epochs: float | None = unkeyed(None, doc="Passes over train of each stage; 4 if steps is not given.", gt=0)
    batch_size: int = keyed(24, doc="Examples in one optimizer step.", ge=1)
    eval_every: int | None = unkeyed(None, doc="Steps between evaluations; 20 evaluations if left out.", ge=1)
    eval_on: Literal["dev", "test"] = unkeyed("dev", doc="Where the curves come from.")
    checkpoint: Literal["last", "best"] = unkeyed(
        "last", doc="Which weights a stage ends with: those of its last step, or of its best evaluation on dev."
    )
    choose_by: ChooseBy = unkeyed(
        "accuracy", doc="What is chosen on dev is chosen by accuracy or loss; the other one decides ties."
    )
    tune: Tune | None = unkeyed(None, doc="Choose each technique's settings on dev first; see docs/design.md.")
    seeds: Seeds = unkeyed(3, doc="A list of seeds, or a count, which is written out as 0 to n-1.")
    margin: float | None = unkeyed(
        None, doc="Points of accuracy that do not matter: techniques may then be found equal.", gt=0, le=50
    )
    until_clear: UntilClear | None = unkeyed(
        None, doc="Add seeds in rounds until it is clear which technique is best; those that are worse drop out."
    )
    folds: int | None = unkeyed(
        None, doc="Cross-validation: all labelled rows in so many folds, each held out as test once.", ge=2
    )
    schedule: Schedule = unkeyed("linear", doc="Of the learning rate after warm-up; a technique may differ.")
    warmup: float = unkeyed(0.06, doc="Share of the steps in which the rate rises from 0.", ge=0, lt=1)
    weight_decay: float = unkeyed(0.01, doc="Of AdamW; a technique may differ.", ge=0)
    max_grad_norm: Norm = unkeyed(1.0, doc="Gradients are clipped to this norm.")
    precision: Literal["auto", "fp32", "bf16"] = unkeyed("auto", doc="auto: bf16 autocast on a GPU, else fp32.")
    keep_weights: Literal["all", "last-seed", "none"] = unkeyed("all", doc="Which runs' trained weights are kept.")
    keep_texts: int = unkeyed(
        40,
        doc="Texts of at most so many test examples that a model's techniques disagree on are kept for the report.",
        ge=0,
        le=1000,
    )
    micro_tokens: int | None = unkeyed(
        None,
        doc="Tokens computed at once: time, memory, and which dropout masks are drawn. If left out 1500, or on a GPU "
        "what its free memory takes.",
        ge=1,
    )
    memory_limit: MemorySize | None = unkeyed(
        None, doc="Memory that a stage may take, such as '12 GB': of the process, or on a GPU of the GPU."
    )
    compact_vocabulary: bool = unkeyed(
        True, doc="Train only the embedding rows whose tokens occur; changes time and memory alone."
    )
    reuse_activations: bool = unkeyed(
        True, doc="Compute what frozen layers give once and keep it on disk; changes time and memory alone."
    )
    pack_texts: bool = unkeyed(
        True, doc="On a CPU, compute texts one after another in a row, without padding; time and memory alone."
    )
    light_dropout: bool = unkeyed(True, doc="On a CPU, draw dropout masks in a cheaper way: other masks, the same law.")
    threads: int | None = unkeyed(None, doc="CPU threads; OMP_NUM_THREADS or the physical cores if left out.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = unkeyed("auto", doc="Where to compute.")

    @model_validator(mode="after")
    def _consistent(self) -> "Protocol":
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps: give steps or epochs, not both")
        if self.checkpoint == "best" and self.eval_on == "test":
            raise ValueError(f"checkpoint: {NOT_ON_TEST}")
        if self.tune is not None and self.eval_on == "test":
            raise ValueError(f"tune: {NOT_ON_TEST}")
        if self.until_clear is not None and self.until_clear.seeds <= len(self.seed_list):
            raise ValueError(
                f"until_clear: seeds is the most that a technique gets, so more than the {len(self.seed_list)} of the "
                "first round (protocol.seeds)"
            )
        if self.max_grad_norm != "off" and self.max_grad_norm <= 0:
            raise ValueError("max_grad_norm: give a positive number, or off")
        return self

    @property
    def memory_limit_bytes(self) -> int | None:
        """The limit on memory in bytes; None for no limit."""
        return None if self.memory_limit is None else in_bytes(self.memory_limit)

    @property
    def fold_list(self) -> list[int | None]:
        """The folds by number; None alone where there is no cross-validation."""
        return [None] if self.folds is None else list(range(self.folds))

    @property
    def seed_list(self) -> list[int]:
        """The seeds, a count written out as 0 .. n-1."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)


class Study(Section):
    """A question: these models, these tasks, these techniques, under this protocol."""

    name: Name = unkeyed("study", doc="Names the run directory; the file's name if left out.")
    title: str | None = unkeyed(None, doc="Shown above tables and in the report.", max_length=LONGEST_TITLE)
    models: list[ModelSpec] = unkeyed(doc="The models.", min_length=1)
    tasks: list[TaskSpec] = unkeyed(doc="The tasks.", min_length=1)
    techniques: list[TechniqueSpec] = unkeyed(doc="The techniques, in the order of the tables.", min_length=1)
    protocol: Protocol = unkeyed(Protocol(), doc="The protocol.")

    @property
    def task(self) -> TaskSpec:
        """The task of a study that has one; raises ValueError where there are several."""
        (only,) = self.tasks
        return only


DEFAULT_TECHNIQUES = ("full", "linear-probe", "lora", "linear-probe+full", "linear-probe+lora")
