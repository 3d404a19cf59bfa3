"""Tables about what was compared: model, trained model, data, hardware, and where each number comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.report.formats import count, plain, size
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

MODEL_ROWS = (
    *(
        "name",
        "source",
        "revision",
        "architecture",
        "layers",
        "hidden",
        "heads",
        "kv_heads",
        "head_dim",
        "intermediate",
    ),
    *("vocabulary", "max_positions", "tied_embeddings", "dtype", "weight_bytes", "parameters", "pooling", "prefix"),
    *("template", "max_length", "fingerprint"),
)
DIGEST = 12


def model_table(results: Results, say: Words = WORDS) -> Table:
    """Return table 1: what is known of each model, one column a model."""
    models = results["models"]
    columns = [
        Column("property", say("column.property")),
        *(Column(model["name"], model_label(model), about={"model": model["name"]}) for model in models),
    ]
    rows = []
    for name in MODEL_ROWS:
        values = [model.get(name) for model in models]
        if any(value is not None for value in values):
            texts = [_model_value(name, value, say) for value in values]
            cells = [Cell(text, value) for text, value in zip(texts, values, strict=True)]
            rows.append([Cell(say(f"model.{name}"), name), *cells])
    return Table("model", say("table.model"), columns, rows)


def _model_value(name: str, value: Any, say: Words) -> str:
    if name == "weight_bytes":
        return size(value, say)
    if name == "fingerprint" and value:
        return str(value)[:DIGEST]
    return plain(value, say)


def trained_table(results: Results, say: Words = WORDS) -> Table:
    """Return table 2: each technique's trained and total parameters, steps and settings; the head in the captions."""
    columns = [
        *([Column("model", say("column.model"))] if several_models(results) else []),
        Column("technique", say("column.technique")),
        Column("trained", say("column.trained"), numeric=True),
        Column("total", say("column.total"), numeric=True),
        Column("share", say("column.share"), numeric=True),
        Column("steps", say("column.steps"), numeric=True),
        Column("settings", say("column.settings")),
    ]
    rows = []
    for row in results["techniques"]:
        trained, total = ((row["parameters"] or {}).get(name) for name in ("trained", "total"))
        share = trained / total if trained is not None and total else None
        steps = (row["budget"] or {}).get("steps")
        settings = _settings(row["settings"] or {}, say)
        cells = [
            *([Cell(row["model"], row["model"])] if several_models(results) else []),
            Cell(row["technique"], row["technique"]),
            Cell(count(trained, say), trained),
            Cell(count(total, say), total),
            Cell(say("value.unknown") if share is None else say.number(f"{100 * share:.3g}%"), share),
            Cell(count(steps, say), steps),
            Cell(settings or say("value.unknown"), settings),
        ]
        rows.append(cells)
    captions = [
        say(
            "table.trained.caption",
            architecture=plain(model.get("architecture"), say),
            pooling=plain(model.get("pooling"), say),
            head=count(model.get("head_parameters"), say),
        )
        for model in results["models"]
        if model.get("architecture")
    ]
    return Table("trained", say("table.trained"), columns, rows, captions)


def _settings(settings: Mapping[str, Any], say: Words) -> str:
    return "; ".join(f"{name} {plain(value, say)}" for name, value in settings.items() if value is not None)


def data_table(results: Results, say: Words = WORDS) -> Table:
    """Return table 3: rows, balance of the classes and sizes of the texts, for each split."""
    names = ("rows", "classes", "characters", "tokens", "cut")
    numeric = {"rows", "tokens", "cut"}
    models = several_models(results)
    columns = [
        *([Column("model", say("column.model"))] if models else []),
        Column("split", say("column.split")),
        *(Column(name, say(f"column.{name}"), numeric=name in numeric) for name in names),
    ]
    rows = [
        [*([Cell(task["model"], task["model"])] if models else []), *_split_cells(name, split, say)]
        for task in results["tasks"]
        for name, split in (task["splits"] or {}).items()
    ]
    return Table("data", say("table.data"), columns, rows)


def _split_cells(name: str, split: Mapping[str, Any], say: Words) -> Sequence[Cell]:
    tokens = split.get("tokens") or {}
    labels = split.get("labels") or {}
    balance = ", ".join(f"{label} {count(n, say)}" for label, n in labels.items())
    lengths = "; ".join(f"{name} {_range(sizes, say)}" for name, sizes in (split.get("characters") or {}).items())
    cut = tokens.get("cut")
    return (
        Cell(name, name),
        Cell(count(split.get("rows"), say), split.get("rows")),
        Cell(balance or say("value.unknown"), balance or None),
        Cell(lengths or say("value.unknown"), lengths or None),
        Cell(_range(tokens, say), tokens.get("mean")),
        Cell(say("value.unknown") if cut is None else say.number(f"{100 * cut:.2g}%"), cut),
    )


def _range(sizes: Mapping[str, Any], say: Words) -> str:
    mean, longest = sizes.get("mean"), sizes.get("max")
    if mean is None:
        return say("value.unknown")
    return say("value.range", mean=say.number(f"{mean:.3g}"), max=plain(longest, say))


def hardware_table(results: Results, say: Words = WORDS) -> Table:
    """Return what the runs were computed on, and with which versions."""
    known = results["environment"]
    machines = [run["machine"] for run in results["runs"] if run["machine"]]
    texts = {
        "cpu": plain(known.get("cpu"), say),
        "cores": plain(known.get("cores"), say),
        "memory": size(known.get("memory_bytes"), say),
        "gpus": plain(_gpus(known.get("gpus")), say),
        "device": "; ".join(dict.fromkeys(_machine(machine, say) for machine in machines)),
        "platform": plain(known.get("platform"), say),
        "python": plain(known.get("python"), say),
        "tuneoff": plain(known.get("tuneoff"), say),
        "packages": ", ".join(f"{name} {version}" for name, version in (known.get("packages") or {}).items()),
        "git": _commit(known.get("git") or {}, say),
        "time": plain(known.get("time"), say),
    }
    columns = [Column("property", say("column.property")), Column("value", say("column.value"))]
    shown = {name: text for name, text in texts.items() if text and text != say("value.unknown")}
    rows = [[Cell(say(f"hardware.{name}"), name), Cell(text, text)] for name, text in shown.items()]
    return Table("hardware", say("table.hardware"), columns, rows)


def _machine(machine: Mapping[str, Any], say: Words) -> str:
    values = {name: plain(machine.get(name), say) for name in ("precision", "threads")}
    device = machine.get("device_name") or machine.get("device")
    return say("hardware.machine", device=plain(device, say), **values)


def _commit(git: Mapping[str, Any], say: Words) -> str:
    commit = str(git.get("commit") or "")[:DIGEST]
    return say("hardware.dirty", commit=commit) if commit and git.get("dirty") else commit


def runs_table(results: Results, say: Words = WORDS) -> Table:
    """Return every run with its accuracy, loss, status, and the folder and key of its last stage."""
    columns = [
        Column("technique", say("column.technique")),
        Column("seed", say("column.seed"), numeric=True),
        Column("accuracy", say("column.accuracy"), numeric=True),
        Column("loss", say("column.loss"), numeric=True),
        Column("note", say("column.note")),
        Column("folder", say("column.folder")),
        Column("key", say("column.key")),
    ]
    rows = []
    for run in results["runs"]:
        status = say(f"status.{run['status']}", reason=say.kept("reason", run["reason"] or ""))
        metrics = [run["metrics"][name] for name in ("accuracy", "loss")]
        key = (run["source"]["key"] or "")[:DIGEST] or say("value.unknown")
        rows.append(
            [
                Cell(run["technique"], run["technique"]),
                Cell(str(run["seed"]), run["seed"]),
                *(
                    Cell(say("value.unknown") if value is None else say.number(f"{value:.4f}"), value)
                    for value in metrics
                ),
                Cell(status, run["status"]),
                Cell(run["source"]["folder"], run["source"]["folder"]),
                Cell(key, run["source"]["key"]),
            ]
        )
    return Table("runs", say("table.runs"), columns, rows)


def _gpus(gpus: Sequence[Mapping[str, Any]] | None) -> list[str] | None:
    return None if gpus is None else [f"{gpu['name']}, {size(gpu['memory_bytes'])}" for gpu in gpus]
