"""tuneoff from Python: run a study, or load one from disk, and look at what came out."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.evidence.results import build_results
from tuneoff.store import Store

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from tuneoff.reading import ReadStudy

Part = str | Mapping[str, Any]
"""A model, a task or a technique, as it stands in a study file."""


class Plot:
    """A figure of a study, which a notebook shows as a picture, without a network; `chart` is altair's own object.

    Altair's way of showing a chart loads scripts from the network. `plot.chart.save("steps.svg")` writes a file.
    """

    def __init__(self, chart: "alt.TopLevelMixin", kind: str) -> None:
        self.chart = chart
        self.kind = kind

    def __repr__(self) -> str:
        return f"Plot({self.kind!r})"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the picture at twice its size, for sharp screens, and the size at which to show it."""
        from tuneoff.report.style import PNG_SCALE, png_bytes, svg_text

        png = png_bytes(svg_text(self.chart))
        # A PNG begins with its signature and the head of its first chunk, 16 bytes, then its width and height.
        width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
        return png, {"width": round(width / PNG_SCALE), "height": round(height / PNG_SCALE)}


class Result:
    """What came out of a study: shows itself as its table, and leads to figures, report and the run directory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.results: dict[str, Any] = build_results(store)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.store.root

    @property
    def notices(self) -> list[str]:
        """What the numbers cannot show: one seed, curves watched on the reported split, runs that failed."""
        return [notice["text"] for notice in self.results["study"]["notices"]]

    def table(self) -> "pd.DataFrame":
        """Return one row a run: model, task, technique, seed, status, metrics, parameters, seconds, peak memory."""
        import pandas as pd

        from tuneoff.evidence.metrics import METRICS

        rows = []
        for run in self.results["runs"]:
            metrics, parameters = run["metrics"] or {}, run["parameters"] or {}
            rows.append(
                {
                    **{key: run[key] for key in ("model", "task", "technique", "seed", "status")},
                    **{name: metrics.get(name) for name in METRICS},
                    "trained_parameters": parameters.get("trained"),
                    "total_parameters": parameters.get("total"),
                    "seconds": (run["seconds_total"] or {}).get("alone"),
                    "peak_memory_bytes": (run["peak_memory"] or {}).get("bytes"),
                }
            )
        return pd.DataFrame(rows)

    def plot(self, kind: str = "steps") -> Plot:
        """Return a figure: `ranks`, `superiority`, `steps`, `seconds`, `time`, `parameters`, `memory`, `budget`, or a
        technique's name for its own curves; of several models and tasks '<model>.<task>.<name>', and `tasks` for all.

        Raises StoreError for a name that there is not.
        """
        from tuneoff.report import figure

        return Plot(figure(self.results, self.store, kind), kind)

    def report(self, path: str | Path | None = None, language: Literal["en", "ru"] = "en") -> Path:
        """Write the report, with figures and tables, and return the page; `path`, a file or folder, gets a copy."""
        from tuneoff.files import write_text
        from tuneoff.report import write_report

        page = write_report(self.store, language)
        if path is None:
            return page
        copy = Path(path) / page.name if Path(path).is_dir() else Path(path)
        write_text(copy, page.read_text(encoding="utf-8"))
        return copy

    def __repr__(self) -> str:
        from tuneoff.report import markdown_table

        return markdown_table(self.results)

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        from tuneoff.report import html_table

        return html_table(self.results)


def run(
    model: Part | Sequence[Part] | None = None,
    task: Part | Sequence[Part] | None = None,
    techniques: Sequence[Part] | None = None,
    *,
    study: str | Path | Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
    force: Sequence[str] = (),
    track: Sequence[str] = (),
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    **protocol: Any,
) -> Result:
    """Compute what is missing of a study and return its result.

    Give `model` and `task`, and perhaps `techniques`, as they would stand in a study file, and settings of the
    protocol by name (`steps=50, seeds=3`); or `study`, a file, a shipped name or a mapping. A list of models or tasks
    is what `models:` and `tasks:` are in a file: every technique is trained with each model on each task. The run
    directory is `out`, by default `runs/STUDY`. `force` names checks of the doctor whose errors are set aside, `track`
    the trackers that are told of the runs (tensorboard, mlflow, wandb, trackio).

    `executor` says where stages are computed: `local`, here one after another, or `ray`, as many at once as there is
    room for, with the same results. `address` (`HOST:PORT`) is that of Ray's cluster; without one Ray is started here,
    and ended with the study. Each stage gets `cpus` (threads too; the study's `threads` if left out, else 1) and `gpus`
    (if left out 1 where there are any).

    Raises TuneoffError for bad input, before any training, also where the doctor finds an error that is not forced, and
    where there is no Ray or no cluster.

        run("intfloat/multilingual-e5-small", {"name": "mini_rte"}, ["linear-probe"], steps=50)
        run(["org/one", "org/other"], ["rte", {"name": "mini_rte", "called": "few", "limit": 100}], executor="ray")
    """
    from rich.console import Console

    from tuneoff.executors.chosen import chosen_executor
    from tuneoff.progress import Reporter
    from tuneoff.running import run_study
    from tuneoff.trackers.tracking import tracked

    if force:
        from tuneoff.checks.examine import check_names

        check_names(force)
    read = _read(model, task, techniques, study, protocol)
    chosen = chosen_executor(read, executor, address, cpus, gpus)
    # In a notebook rich would take the cell for a terminal, and fill it with bars drawn one under the other.
    terminal = sys.stderr.isatty()
    console = Console(stderr=True, quiet=quiet, highlight=False, force_terminal=terminal, force_jupyter=False)
    reporter = Reporter(console, stop=lambda: False)
    directory = Path(out) if out is not None else Path("runs") / read.study.name
    try:
        with chosen as execute, tracked(reporter, track, directory) as listener:
            store = run_study(read, directory, listener, force, execute=execute)
    finally:
        reporter.close()
    return Result(store)


def _read(
    model: Part | Sequence[Part] | None,
    task: Part | Sequence[Part] | None,
    techniques: Sequence[Part] | None,
    study: str | Path | Mapping[str, Any] | None,
    protocol: Mapping[str, Any],
) -> "ReadStudy":
    """Return the study that is given whole, or by its parts; raises StudyError with all that is wrong."""
    from tuneoff.errors import StudyError
    from tuneoff.reading import ReadStudy, read_study, study_from_mapping

    parts = {**_one_or_several("model", model), **_one_or_several("task", task), "techniques": techniques}
    if study is None:
        if plural := [name for name in ("models", "tasks") if name in protocol]:
            raise StudyError(f"tuneoff.run: {plural[0]}: several are given as a list, {plural[0][:-1]}=[..., ...].")
        given = {key: value for key, value in {**parts, "protocol": protocol or None}.items() if value is not None}
        return ReadStudy(study_from_mapping(given, "tuneoff.run"), Path(), "tuneoff.run")
    if any(part is not None for part in parts.values()) or protocol:
        raise StudyError("tuneoff.run: give a whole study, or its parts (model, task, techniques, protocol), not both.")
    if isinstance(study, Mapping):
        return ReadStudy(study_from_mapping(study, "tuneoff.run"), Path(), "tuneoff.run")
    return read_study(str(study))


def _one_or_several(key: str, given: Part | Sequence[Part] | None) -> dict[str, Any]:
    """Return what is given under the key that it has in a study file: `task` for one, `tasks` for a list."""
    several = isinstance(given, Sequence) and not isinstance(given, str)
    return {f"{key}s": list(given)} if several and given is not None else {key: given}


def load(path: str | Path) -> Result:
    """Return the result of a run directory; needs no torch. Raises StoreError if the folder is none."""
    return Result(Store.existing(Path(path)))
