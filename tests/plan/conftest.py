"""Plans of small studies."""

import pytest
import torch

from tuneoff.models.resolve import resolve_model
from tuneoff.plan import Question, make_plan
from tuneoff.tasks import load_task, task_name
from tuneoff.training.device import choose_precision


@pytest.fixture
def plan(study, tmp_path):
    """Return a function that plans a study of a tiny model (see `study`), against a store if one is given."""

    def planned(techniques=("linear-probe",), family="bert", store=None, task=None, **changes):
        read = study(techniques, family, **changes)
        asked = read.study.task.model_copy(update=task or {})
        data = load_task(asked, need_dev=read.study.protocol.eval_on == "dev", base=tmp_path)
        precision = choose_precision(read.study.protocol, torch.device("cpu"))
        models = [resolve_model(spec, need_weights=True) for spec in read.study.models]
        questions = [Question(model, task_name(asked), data, precision) for model in models]
        return make_plan(read.study, questions, store)

    return planned
