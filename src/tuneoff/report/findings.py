"""What the doctor found, in the language of the report."""

from collections.abc import Iterable, Mapping
from typing import Any

from tuneoff.checks.finding import Finding
from tuneoff.report.words import Words


def in_words(rows: Iterable[Mapping[str, Any]], say: Words) -> list[Finding]:
    """Return findings as results.json has them in the language of `say`; what earlier versions kept is in English."""
    return [Finding.from_json(row).in_words(say) for row in rows]


def of_doctor(values: Mapping[str, Any], results: Mapping[str, Any], say: Words) -> dict[str, Any]:
    """Return the values of a notice on what the doctor found, with sentence and about in the language of `say`."""
    told = in_words((results["doctor"][place] for place in values["findings"]), say)
    about = ", ".join(one.about or say("doctor.study") for one in told)
    return {**values, "about": about, "sentence": told[0].sentence}
