"""What the instrument's benchmark found, as tables in Markdown."""

from typing import Any


def as_markdown(result: dict[str, Any]) -> str:
    """Return the worst of each count of seeds, the promises and the wrong methods, as tables."""
    lines = [
        "| seeds | cells | false verdicts, most | accuracy covered | with 10 errors or more | difference covered |",
        "|" + "---:|" * 6,
    ]
    for seeds in sorted({cell["seeds"] for cell in result["cells"]}):
        own = [cell for cell in result["cells"] if cell["seeds"] == seeds]
        common = [cell for cell in own if cell["examples"] * (1 - cell["accuracy"]) >= 10]
        spans = [
            _span([cell["accuracy_covered"] for cell in own]),
            _span([cell["accuracy_covered"] for cell in common]),
            _span([cell["difference_covered"] for cell in own]),
        ]
        most = max(cell["false_verdicts"] for cell in own)
        lines.append(f"| {seeds} | {len(own)} | {most:.3f} | {' | '.join(spans)} |")
    lines += ["", "| seeds | examples | level | smallest difference | promised | found |", "|" + "---:|" * 6]
    lines += [
        f"| {row['seeds']} | {row['examples']} | {row['level']:g} | {row['smallest_difference']:.3f} | "
        f"{row['promised']:.2f} | {row['found']:.2f} |"
        for row in result["promises"]
    ]
    lines += ["", "| accuracies in a race | false verdicts | best found alone | runs, mean | at most |"]
    lines += ["|---|" + "---:|" * 4]
    lines += [
        f"| {', '.join(map(str, row['accuracies']))} | {row['false_verdicts']:.3f} | {row['best_found']:.2f} | "
        f"{row['runs']:.0f} | {row['runs_at_most']} |"
        for row in result["races"]
    ]
    lines += ["", "| method | examples | sd between seeds | covered |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row['method']} | {row['examples']} | {row['seed_sd']:g} | {row['covered']:.3f} |"
        for row in result["wrong_methods"]
    ]
    return "\n".join(lines) + "\n"


def _span(shares: list[float]) -> str:
    return f"{min(shares):.3f} to {max(shares):.3f}"
