"""What tables and charts say of techniques over several tasks, by message id."""

from collections.abc import Mapping

from tuneoff.evidence.over_tasks import RANKS

RANK_WORDS: Mapping[str, str] = {
    **{f"ranks.{name}": text for name, text in RANKS.items()},
    "column.task": "task",
    "column.mean_rank": "mean rank",
    "column.rank_above": "mean rank where something beats guessing",
    "column.mean_accuracy": "mean accuracy",
    "column.tasks_won": "tasks won, tied, lost",
    "column.rank_difference": "difference of mean ranks",
    "column.over_these": "on these tasks, points",
    "html.over_tasks": "Over all tasks",
    "html.over_tasks.model": "Over all tasks: {model}",
    "over_tasks.caption": "Mean accuracies on test; the best of each task is marked{but}. Ranks go from 1, the "
    "best, to {techniques}; equal accuracies share the mean of their places.",
    "over_tasks.unmarked": ", but for {tasks}, where guessing reaches it too",
    "over_tasks.pairs": "Pairs of techniques over the tasks",
    "over_tasks.pairs.model": "Pairs of techniques over the tasks: {model}",
    "over_tasks.pairs.caption": "p by Wilcoxon's signed-rank test over the tasks, exact, two-sided, Holm over {pairs} "
    "pairs: it is about tasks like these. It takes them as drawn one by one: tasks that share their texts count for "
    "less than they seem to.",
    "over_tasks.pairs.these": "On these tasks: the mean difference of accuracies with a 95% interval, of each pair by "
    "itself, from the examples of each task (and its seeds, where there are several). It is about these tasks and says "
    "nothing of others.",
    "over_tasks.within": "Within single tasks, by their own examples, pairs told apart: {counts}.",
    "over_tasks.within.count": "{task} {apart} of {pairs}",
    "lead.guessing.tasks": "On {tasks} nothing beats guessing: no accuracy is above what always answering one class "
    "reaches by chance.",
    "axis.rank": "rank (1 is the best)",
    "chart.tasks": "Mean ranks over the tasks, and which cannot be told apart",
    "chart.tasks.cd": "CD {value}",
    "caption.tasks": "Large points: mean ranks over {tasks} tasks; small points: ranks on single tasks.",
    "caption.tasks.bars": "A bar joins techniques of which no two are told apart over the tasks (Wilcoxon's "
    "signed-rank test, Holm at {level:.0%}, pairs: {pairs}); its dots are its members.",
    "caption.tasks.cd": "CD: Nemenyi's critical difference of mean ranks at {level:.0%}, an approximation for many "
    "tasks; bars do not go by it.",
    "caption.tasks.few": "{tasks} tasks are too few for any pair to be told apart by ranks: it takes {needed}.",
    "skipped.tasks": "Fewer than two techniques or tasks have accuracies to be ranked by.",
}
