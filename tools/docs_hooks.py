"""What the documentation's site needs beside the pages: two generated ones, and links out of it."""

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:src|tests|tools|benchmarks|examples)/[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code: the commands' help and the study's keys."""
    for name, content in {"commands": commands_page(), "study": study_page()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Show a link to a file of the repository that is not on the site as its text alone."""
    return OUTSIDE.sub(r"\1", markdown)


def commands_page() -> str:
    """Return the help of all commands as Markdown, by typer's own means."""
    import typer
    from typer.cli import get_docs_for_click

    from tuneoff.cli import app

    command = typer.main.get_command(app)
    return str(get_docs_for_click(obj=command, ctx=typer.Context(command), name="tuneoff", title="Commands"))


def study_page() -> str:
    """Return every key of a study file with its description and default, from the schema that editors get."""
    from tuneoff.schema import study_schema

    schema = study_schema()
    definitions = schema["definitions"]
    lines = ["# The study file", "", "`tuneoff schema` prints the same for editors, as a JSON Schema.", ""]
    lines += _keys("A study", schema["properties"])
    for name, title in (("model", "A model"), ("task", "A task"), ("protocol", "The protocol")):
        lines += _keys(title, definitions[name]["properties"])
    lines += [line for name in ("Tune", "UntilClear") for line in _keys(name, definitions[name]["properties"])]
    return "\n".join([*lines, *_techniques()])


def _techniques() -> list[str]:
    from tuneoff.technique_schema import tidy
    from tuneoff.techniques import StageSettings, get, names

    def settings_schema(name: str) -> dict[str, Any]:
        found: dict[str, Any] = tidy(get(name).settings_class.model_json_schema())["properties"]
        return found

    common = StageSettings.model_fields
    lines = ["## Techniques", "", "Every technique has these settings:", ""]
    lines += _table({key: value for key, value in settings_schema("full").items() if key in common})
    for name in names():
        own = {
            key: value for key, value in settings_schema(name).items() if key not in common or key == "learning_rate"
        }
        lines += [f"### {name}", "", f"{get(name).summary[0].upper()}{get(name).summary[1:]}.", "", *_table(own)]
    return lines


def _keys(title: str, properties: dict[str, Any]) -> list[str]:
    return [f"## {title}", "", *_table(properties)]


def _table(properties: dict[str, Any]) -> list[str]:
    rows = [f"| `{key}` | {_said(value)} | {_default(value)} |" for key, value in properties.items()]
    return ["| key | is | default |", "|---|---|---|", *rows, ""]


def _said(field: dict[str, Any]) -> str:
    return str(field.get("description", "")).replace("|", "\\|") or "see below"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{value}`"
