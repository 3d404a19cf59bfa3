"""The rounds of a study that adds seeds until it is clear which technique is best, after the first."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tuneoff.evidence.race import seeds_by_round
from tuneoff.evidence.results import standings
from tuneoff.evidence.rounds import Place, Standing
from tuneoff.plan import Plan, make_plan
from tuneoff.store import Store

if TYPE_CHECKING:
    from tuneoff.running import Listener, Prepared


def run_rounds(plan: Plan, prepared: "Prepared", store: Store, listener: "Listener") -> None:
    """Run round after round, and tell what each has decided, until it is clear, or seeds or hours are used up.

    `plan` is that of the first round, which is done. Rounds that the store has already are not run again.
    """
    from tuneoff.running import expected_work

    study = plan.study
    until = study.protocol.until_clear
    assert until is not None
    for seeds in seeds_by_round(study.protocol.seed_list, until.seeds)[1:]:
        races = standings(store)
        racing = {place: race.left for place, race in races.items() if _is_due(race, len(seeds))}
        if not racing:
            continue
        _tell(races, listener)
        hours = _hours_with(plan, store, racing, len(seeds))
        if until.hours is not None and hours > until.hours:
            told = f"no round with {len(seeds)} seeds: with it, training would take about {hours:.2g} hours"
            listener.announce(f"{told}, and until_clear allows {until.hours:g}")
            return
        asked = study.model_copy(update={"protocol": study.protocol.model_copy(update={"seeds": seeds})})
        ahead = make_plan(asked, prepared.questions, store).serving(racing)
        prepared.execute(ahead, prepared.places, store, listener.watch(ahead, expected_work(ahead, prepared)))
    _tell(standings(store), listener)


def _is_due(race: Standing, seeds: int) -> bool:
    return bool(race.left) and race.race.rounds[-1].seeds < seeds


def _tell(races: Mapping[Place, Standing], listener: "Listener") -> None:
    models, tasks = ({place[part] for place in races} for part in (0, 1))
    for (model, task), race in races.items():
        text = " ".join(sentence["text"] for sentence in race.sentences())
        place = ", ".join([*([model] if len(models) > 1 else []), *([task] if len(tasks) > 1 else [])])
        listener.announce((f"{place}: {text}" if place else text).rstrip("."))


def _hours_with(plan: Plan, store: Store, racing: Mapping[Place, Collection[str]], seeds: int) -> float:
    """Return the hours of training that all would have taken after a round, from those of the seeds that are done."""
    stages = {technique.name: {stage.chain for stage in technique.stages} for technique in plan.techniques}
    records = store.records()
    total = sum(sum(record.seconds.values()) for record in records)
    for place, names in racing.items():
        chains = set().union(*(stages[name] for name in names))
        own = [r for r in records if (r.address.model, r.address.task) == place and r.address.chain in chains]
        done = {record.address.seed for record in own}
        spent = sum(sum(record.seconds.values()) for record in own)
        total += spent / len(done) * (seeds - len(done)) if done else 0.0
    return total / 3600
