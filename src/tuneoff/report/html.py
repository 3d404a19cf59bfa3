"""report.html: one file that needs no network, from results and figures."""

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tuneoff.report.charts import Figure
from tuneoff.report.choice_table import choices
from tuneoff.report.conclusion import conclusion
from tuneoff.report.detail_tables import detail_sections
from tuneoff.report.doctor_table import doctor_table
from tuneoff.report.error_section import error_parts
from tuneoff.report.filters import filters
from tuneoff.report.methods import methods
from tuneoff.report.pair_tables import pair_tables
from tuneoff.report.places import by_task, several_tasks, task_names
from tuneoff.report.rank_tables import over_tasks_pairs, over_tasks_tables
from tuneoff.report.sentences import lead, protocol_sentences
from tuneoff.report.setting_tables import data_table, hardware_table, model_table, runs_table, trained_table
from tuneoff.report.style import FIGURE
from tuneoff.report.table import Table
from tuneoff.report.tables import model_label, results_table, several_models
from tuneoff.report.words import WORDS, Words
from tuneoff.words import visible

if TYPE_CHECKING:
    from jinja2 import Environment, Template

TEMPLATE, TABLE_TEMPLATE = "report.html.j2", "table.html.j2"
STYLE, SCRIPT, LIVE = "style.css", "page.js", "live.js"
MOST_OPEN = 60
POLICY = (
    "default-src 'none'; script-src {script}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
FROM_SERVER = "; connect-src 'self'"


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it: its SVG as a data URI with its size, or the sentence that stands in for it; CSV.

    As an image of its own it shares no ids with the other figures, and nothing in it can run.
    """

    figure: Figure
    source: str | None
    width: int
    height: int
    description: str
    csv: str | None = None

    @property
    def wide(self) -> bool:
        """Whether it is wider than the others, so that it scrolls where there is little room."""
        return self.width > FIGURE

    @classmethod
    def of(cls, figure: Figure, svg: str | None, say: Words) -> "Picture":
        """Embed a figure's SVG; None where it could not be drawn."""
        description = " ".join([say("html.chart", title=figure.title), *figure.captions])
        if svg is None:
            return cls(figure, None, 0, 0, description)
        width, height = (_length(svg, name) for name in ("width", "height"))
        source = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        return cls(figure, source, width, height, description, figure.csv)


def _length(svg: str, name: str) -> int:
    found = re.search(rf'<svg[^>]*\s{name}="([\d.]+)', svg)
    return round(float(found[1])) if found else 0


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    options: dict[str, Any] = {
        "autoescape": True,
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "finalize": _shown,
    }
    return Environment(loader=PackageLoader("tuneoff.report", ""), **options)


def _shown(value: object) -> object:
    """Return a value for the page: a text with what would not show, or would turn the text around it, as escapes."""
    return visible(value, lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value


def table_html(table: Table) -> str:
    """Return a table as HTML without a page around it, for notebooks; its sentences stand under it."""
    cells = _environment().get_template(TABLE_TEMPLATE).module.cells(table, filtered=False)  # type: ignore[attr-defined]  # a macro
    return str(
        cells + Markup("").join(Markup("<p><small>{}</small></p>").format(_shown(text)) for text in table.captions)
    )


def _classes(results: Mapping[str, Any], say: Words) -> list[str]:
    """The classes of each task in the order of their numbers, as sentences."""
    found = {task["name"]: task["classes"] for task in results["tasks"] if task["classes"]}
    told = {name: say("html.classes", classes=", ".join(classes)) for name, classes in found.items()}
    return [
        say("pairs.model", model=name, text=text) if several_tasks(results) else text for name, text in told.items()
    ]


def _notes(results: Mapping[str, Any], say: Words) -> list[str]:
    """What is to be known of the data, each note once; one that is not about all of several tasks names its own."""
    about: dict[str, list[str]] = {}
    for task in results["tasks"]:
        for note in task["notes"]:
            about.setdefault(say.kept("note", note), []).append(task["name"])
    whole = set(task_names(results))
    return [
        note if set(names) == whole else say("pairs.model", model=", ".join(dict.fromkeys(names)), text=note)
        for note, names in about.items()
    ]


def _pairs(tables: Sequence[Table], short: Collection[str]) -> tuple[list[Table], list[str]]:
    """The tables of pairs without what is left out of a report, and what explains them all: it stands once, below."""
    shown = [table for table in tables if table.rows]
    common = [text for text in shown[0].explanations if all(text in one.explanations for one in shown)] if shown else []
    return [
        replace(
            one,
            findings=[text for text in one.findings if text not in short],
            explanations=[text for text in one.explanations if text not in common],
        )
        for one in shown
    ], common


Group = tuple[str | None, Mapping[str, str], Sequence[Picture]]


def _grouped(pictures: Sequence[Picture], results: Mapping[str, Any], say: Words) -> list[Group]:
    """Pictures by model and task, each group with a title and what it is about; a single group has no title."""
    groups: dict[tuple[str, str | None], list[Picture]] = {}
    for picture in pictures:
        groups.setdefault((picture.figure.model, picture.figure.task), []).append(picture)
    if len(groups) < 2:
        return [(None, {}, pictures)]
    labels = {task["name"]: say.kept("task", str(task["label"] or task["name"])) for task in results["tasks"]}
    models = {model["name"]: model_label(model) for model in results["models"]}
    found: list[Group] = []
    for (model, task), own in groups.items():
        about = {"model": model, **({"task": task} if task else {})}
        parts = [models[model]] if several_models(results) else []
        if several_tasks(results):
            parts.append(labels[task] if task else say("html.over_tasks"))
        found.append((", ".join(parts), about, own))
    return found


def shortened(comparisons: Sequence[Mapping[str, Any]], say: Words) -> set[str]:
    """Return the sentences that send to the report for what else was found, which the report itself does not say."""
    sentences = [sentence for comparison in comparisons for sentence in comparison["sentences"]]
    return {say(one["id"], **one["values"]) for one in sentences if one["id"] == "summary.more"}


def template(name: str) -> "Template":
    """Return one of the page's templates."""
    return _environment().get_template(name)


def page_parts(live: bool = False) -> dict[str, Any]:
    """Return a page's own style and scripts, which hold nothing from data, and the policy that lets these alone act.

    A `live` page also asks the server that it comes from what runs, and whether there is something new.
    """
    style, *scripts = map(_own, (STYLE, SCRIPT, *([LIVE] if live else [])))
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    policy = POLICY.format(script=allowed) + (FROM_SERVER if live else "")
    return {"style": Markup(style), "scripts": [Markup(text) for text in scripts], "policy": policy, "live": live}


def _own(name: str) -> str:
    return files("tuneoff.report").joinpath(name).read_text(encoding="utf-8")


def render(
    results: Mapping[str, Any], pictures: Sequence[tuple[Figure, str | None]], say: Words = WORDS, live: bool = False
) -> str:
    """Return the report as HTML; `pictures` are the figures with their SVG. All texts from data are escaped."""
    embedded = [Picture.of(figure, svg, say) for figure, svg in pictures]
    study = results["study"]
    table, first = results_table(results, say), conclusion(results, say)
    short = shortened(results["comparisons"], say)
    pairs, shared = _pairs(pair_tables(results, say), short)
    return template(TEMPLATE).render(
        say=say,
        results=results,
        title=study["title"] or study["name"],
        **page_parts(live),
        filters=filters(results, say),
        conclusion=first,
        lead=[sentence for sentence in lead(results, table, say, bool(first)) if sentence not in {*first, *short}],
        table=table,
        techniques=_grouped([picture for picture in embedded if picture.figure.technique], results, say),
        together=_grouped([picture for picture in embedded if not picture.figure.technique], results, say),
        pairs=pairs,
        pairs_said=shared,
        over_tasks=[*over_tasks_tables(results, say), *over_tasks_pairs(results, say)],
        choices=choices(results, say),
        sections=detail_sections(results, say),
        errors=error_parts(results, say),
        setting=[model_table(results, say), *(by_task(one, results, say) for one in (trained_table, data_table))],
        hardware=hardware_table(results, say),
        protocol=protocol_sentences(results, say),
        paper=methods(results, say),
        doctor=doctor_table(results, say),
        runs=runs_table(results, say),
        open_runs=len(results["runs"]) <= MOST_OPEN,
        classes=_classes(results, say),
        notes=_notes(results, say),
        version=results["environment"].get("tuneoff") or say("value.unknown"),
    )
