import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from tuneoff.models.dropout import LightDropout, light_mask, lighten_dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_follow_the_bernoulli_law(rate):
    """Share, and independence of neighbours, by exact and chi-square tests; seeds are fixed."""
    torch.manual_seed(1)
    mask, factor = light_mask((300, 1000), rate)
    kept = mask.numpy().ravel()
    assert set(np.unique(kept)) == {0, 1}
    assert stats.binomtest(int(kept.sum()), kept.size, 1 / factor).pvalue > 1e-3
    assert factor == pytest.approx(1 / (1 - rate), rel=1e-4)
    for step in (1, 2, 3, 4, 1000):
        table = np.histogram2d(kept[:-step], kept[step:], bins=2)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3, step


def test_the_same_seed_gives_the_same_mask_and_another_another():
    masks = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        masks.append(light_mask((50, 7), 0.3)[0])
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_masks_drawn_one_after_another_differ():
    torch.manual_seed(0)
    assert not torch.equal(light_mask((100,), 0.5)[0], light_mask((100,), 0.5)[0])


def test_values_and_gradients_are_multiplied_by_the_same_mask():
    torch.manual_seed(0)
    values = torch.ones(40, 50, dtype=torch.float64, requires_grad=True)
    dropped = LightDropout(0.25).train()(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())
    found = dropped.detach().unique()
    assert found[0] == 0 and found[1].item() == pytest.approx(4 / 3, rel=1e-4) and len(found) == 2


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True)])
def test_nothing_is_dropped_where_nothing_is_to_be(rate, training):
    values = torch.randn(3, 4)
    assert LightDropout(rate).train(training)(values) is values


def test_all_is_dropped_at_rate_one():
    assert not LightDropout(1.0).train()(torch.ones(5)).any()


def test_it_takes_the_place_of_plain_dropout_alone():
    model = nn.Sequential(nn.Dropout(0.2), nn.Sequential(nn.AlphaDropout(0.3), nn.Dropout(0.4).eval()))
    lighten_dropout(model)
    kinds = [(type(one), one.p, one.training) for one in model.modules() if not isinstance(one, nn.Sequential)]
    assert kinds == [(LightDropout, 0.2, True), (nn.AlphaDropout, 0.3, True), (LightDropout, 0.4, False)]


def test_means_over_twenty_seeds_agree_with_torchs_own_dropout(make_job):
    """The losses of a few steps with light masks and with torch's: the same in the mean over seeds."""
    from tuneoff.training.loop import train
    from tuneoff.training.state import TrainingState

    ends = {False: [], True: []}
    for light, found in ends.items():
        job = make_job(family="bert", steps=4, learning_rate=1e-3)
        if light:
            lighten_dropout(job.classifier)
            job.inputs.packed = True
        start = {name: value.clone() for name, value in job.classifier.state_dict().items()}
        for seed in range(20):
            job.classifier.load_state_dict(start)
            job.seed_dropout = seed
            state = TrainingState()
            train(job, state, job.technique.optimizer(job.trained, job.optimization))
            found.append(np.mean([row["loss"] for row in state.history if row["event"] == "train"]))
    assert stats.ttest_ind(*ends.values(), equal_var=False).pvalue > 0.01
    assert np.std(ends[True]) == pytest.approx(np.std(ends[False]), rel=0.6)
