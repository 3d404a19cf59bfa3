"""What stands around the report's tables and figures, by message id: contents, downloads, filters."""

from collections.abc import Mapping

FRAME: Mapping[str, str] = {
    "conclusion.all": "{technique} is the most accurate ({value}) and better than every other technique.",
    "conclusion.some": "{technique} is the most accurate ({value}): better than {beaten}, but not told apart "
    "from {others}.",
    "conclusion.none": "{technique} is the most accurate ({value}), but it is not told apart from {others}.",
    "conclusion.tasks": "Of {tasks} tasks on which something beats guessing, the most accurate is {counts}.",
    "conclusion.count": "{technique} on {n} (better than every other on none)",
    "conclusion.count.alone": "{technique} on {n} (better than every other on {alone})",
    "conclusion.many": "{n} others",
    "html.contents": "On this page",
    "html.download": "{title}: download as {kind}",
    "live.waiting": "No stage is running now.",
    "live.gone": "The server has stopped; what is shown here is what it last knew.",
    "live.running": "{stage} is running, for {time} now.",
    "live.running.step": "{stage} is running, for {time} now; step {step} is saved.",
    "live.running.evaluated": "{stage} is running, for {time} now; step {step} is saved, accuracy on {split} so far "
    "{accuracy}.",
    "filter.title": "What is shown",
    "filter.model": "Models",
    "filter.task": "Tasks",
    "filter.technique": "Techniques",
    "filter.all": "all",
    "filter.none": "none",
    "filter.note": "Tables and figures of single models, tasks and techniques are filtered; sentences and the figures "
    "of all techniques together always show all of them.",
}
