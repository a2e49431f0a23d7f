"""Schedules: rounds, alternation, the dropout rule, DSD and its control, the sensitivity scan."""

import pytest

from tests.extras import needs

torch = needs("torch", "train")

from compressor.training import (  # noqa: E402
    Phase,
    Prune,
    Release,
    Share,
    TrainSettings,
    alternating,
    dense_control,
    densities,
    dropout_rates,
    dsd_phases,
    error_rate,
    find_layers,
    iterative_rounds,
    masks_of,
    prune_retrain,
    pruned_rate,
    pruned_rates,
    retraining,
    run_phases,
    sensitivity_scan,
    set_dropout_rates,
    total_epochs,
)
from tests.compressor.training import networks  # noqa: E402

SHORT = TrainSettings(1, rate=0.05)


# Pruning --------------------------------------------------------------------------------------------------------------


def test_rounds_prune_further_what_the_one_before_left():
    model = networks.small()
    Prune(0.5).apply(model)
    first = masks_of(model)
    Prune(0.25).apply(model)
    second = masks_of(model)
    assert densities(model) == {"0": 0.25, "3": 0.25}
    assert all(bool((first[name] | ~second[name]).all()) for name in first)


def test_each_layer_is_pruned_its_own_way():
    model = networks.mixed()
    weights = {name: layer.weight.detach().clone() for name, layer in find_layers(model).items()}
    Prune({"conv": 0.5}, threshold={"fc": 0.1}, quality={"lstm.weight_hh_l0": 1.0}).apply(model)
    masks = masks_of(model)
    assert list(masks) == ["conv", "lstm.weight_hh_l0", "fc"]
    assert int(masks["conv"].sum()) == 18
    assert torch.equal(masks["fc"], weights["fc"].abs() >= 0.1)
    recurrent = weights["lstm.weight_hh_l0"]
    assert torch.equal(masks["lstm.weight_hh_l0"], recurrent.abs() >= recurrent.std(correction=0))


def test_one_shot_is_one_round_and_iterative_pruning_is_several():
    assert [phase.name for phase in prune_retrain(Prune(0.1), SHORT)] == ["prune"]
    rounds = iterative_rounds({"0": 0.125, "3": 0.5}, 3)
    assert [round(step.density["0"], 12) for step in rounds] == [0.5, 0.25, 0.125]
    model = networks.small()
    records = run_phases(model, networks.vectors(), prune_retrain(rounds, SHORT))
    assert [record.name for record in records] == ["prune 1 of 3", "prune 2 of 3", "prune 3 of 3"]
    assert densities(model) == {"0": 12 / 96, "3": 18 / 36}


def test_retraining_is_at_a_tenth_of_the_rate_without_its_cuts():
    settings = retraining(TrainSettings(30, rate=0.1, l2=5e-4, cuts=[(20, 0.1)]), epochs=5)
    assert settings == TrainSettings(5, rate=0.01, l2=5e-4)


def test_convolutions_are_fixed_while_the_others_are_retrained_and_the_other_way_round():
    model = networks.conv_net()
    phases = alternating(model, [Prune(0.5), Prune({"4": 0.2})], SHORT)
    assert [phase.name for phase in phases] == ["prune fc 1 of 2", "prune conv 1 of 2", "prune fc 2 of 2"]
    for phase in phases:
        before = {name: layer.weight.detach().clone() for name, layer in find_layers(model).items()}
        run_phases(model, networks.images(), [phase])
        moved = {n for n, layer in find_layers(model).items() if not torch.equal(layer.weight, before[n])}
        assert moved == ({"4"} if " fc " in phase.name else {"0", "2"})
    assert densities(model) == {"0": 0.5, "2": 0.5, "4": round(0.2 * 144) / 144}


def test_there_must_be_two_sorts_to_alternate():
    with pytest.raises(ValueError, match="its layers 0, 3 are of one sort"):
        alternating(networks.small(), [Prune(0.5)], SHORT)


# The dropout rule -----------------------------------------------------------------------------------------------------


def test_the_dropout_rule_in_numbers():
    assert pruned_rate(0.5, 9, 100) == 0.15
    assert pruned_rate(0.5, 100, 100) == 0.5
    assert pruned_rate(0.5, 0, 100) == 0


def test_a_dropout_belongs_to_the_layer_before_it():
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.2), torch.nn.Linear(8, 10), torch.nn.Dropout(0.5), torch.nn.Linear(10, 10),
        torch.nn.LSTM(10, 4, num_layers=2, dropout=0.4), torch.nn.Dropout(0.6),
    )  # fmt: skip
    rates = dropout_rates(model)
    assert rates == {"0": 0.2, "2": 0.5, "4": 0.4, "5": 0.6}
    Prune({"1": 0.25, "3": 0.01, **dict.fromkeys(("4.weight_ih_l0", "4.weight_hh_l1"), 0.5)}).apply(model)
    kept = (16 * 10 + 16 * 4 * 3 - 8 * 10 - 8 * 4) / (16 * 10 + 16 * 4 * 3)
    expected = {"0": 0.2, "2": 0.25, "4": 0.4 * kept**0.5, "5": 0.6 * kept**0.5}
    assert pruned_rates(model, rates) == pytest.approx(expected)
    set_dropout_rates(model, expected)
    assert dropout_rates(model) == expected


def test_the_rate_of_a_recurrent_module_follows_its_weights_also_where_it_was_zero_before():
    model = torch.nn.Sequential(torch.nn.Linear(8, 10), torch.nn.LSTM(10, 4, num_layers=2, dropout=0.4))
    rates = dropout_rates(model)
    Prune(dict.fromkeys((f"1.weight_{of}_l{layer}" for of in ("ih", "hh") for layer in (0, 1)), 0.25)).apply(model)
    expected = pruned_rates(model, rates)
    assert expected == {"1": pytest.approx(0.4 * 0.25**0.5)}
    set_dropout_rates(model, {"1": 0.0})  # as where all its weights were pruned
    assert pruned_rates(model, rates) == expected


def test_retraining_uses_the_rule_and_leaves_the_network_its_rates():
    seen = []

    class Watched(torch.nn.Dropout):
        def forward(self, inputs):
            if self.training:
                seen.append(self.p)
            return inputs

    model = networks.small()
    model[2] = Watched(0.5)
    data = networks.vectors(n=10)
    steps = [(None, True), (Prune(0.25), True), (Prune(0.0625), False), (Share(2), True)]
    run_phases(model, data, [Phase("", SHORT, step, rule) for step, rule in steps])
    assert seen == [0.5, 0.25, 0.5, 0.125]
    assert model[2].p == 0.5


# DSD ------------------------------------------------------------------------------------------------------------------


def test_dsd_prunes_all_layers_alike_but_the_first_convolution():
    model = networks.conv_net()
    phases = dsd_phases(model, TrainSettings(3, 0.1), TrainSettings(2, 0.01), 4, sparsity=0.25)
    assert [(phase.name, phase.train.epochs, phase.train.rate) for phase in phases] == [
        ("dense", 3, 0.1),
        ("sparse", 2, 0.01),
        ("re-dense", 4, 0.001),
    ]
    assert phases[1].step == Prune({"2": 0.75, "4": 0.75})
    assert phases[2].step == Release()
    everything = dsd_phases(model, SHORT, SHORT, SHORT, spared=())
    assert list(everything[1].step.density) == ["0", "2", "4"]
    assert list(dsd_phases(model, SHORT, SHORT, SHORT, spared=("conv",))[1].step.density) == ["4"]
    assert list(dsd_phases(networks.small(), SHORT, SHORT, SHORT)[1].step.density) == ["0", "3"]


def test_pruned_weights_come_back_at_zero_and_then_grow():
    model = networks.small()
    phases = dsd_phases(model, SHORT, SHORT, TrainSettings(0), sparsity=0.5)
    run_phases(model, networks.vectors(), phases)
    assert densities(model) == {"0": 0.5, "3": 0.5}
    assert masks_of(model) == {}
    run_phases(model, networks.vectors(), [Phase("re-dense", TrainSettings(2, 0.005))])
    assert min(densities(model).values()) > 0.9


def test_dsd_can_be_repeated_with_another_sparsity():
    phases = dsd_phases(networks.small(), SHORT, SHORT, 1, sparsity=[0.5, 0.25])
    names = ["dense", "sparse 1 of 2", "re-dense 1 of 2", "sparse 2 of 2", "re-dense 2 of 2"]
    assert [phase.name for phase in phases] == names
    assert [phases[1].step.density["0"], phases[3].step.density["0"]] == [0.5, 0.75]


def test_the_control_trains_as_long_at_the_same_rates_and_stays_dense():
    model = networks.small()
    phases = dsd_phases(model, SHORT, SHORT, 2, sparsity=[0.5, 0.25])
    control = dense_control(phases)
    assert total_epochs(control) == total_epochs(phases) == 1 + 2 * (1 + 2)
    assert [phase.train for phase in control] == [phase.train for phase in phases]
    records = run_phases(model, networks.vectors(), control)
    assert sum(len(record.losses) for record in records) == total_epochs(phases)
    assert densities(model) == {"0": 1, "3": 1}


def test_a_sparsity_out_of_its_limits_is_refused():
    with pytest.raises(ValueError, match=r"sparsity: 1.5, but it must be 0 to 1"):
        dsd_phases(networks.small(), SHORT, SHORT, 1, sparsity=1.5)
    with pytest.raises(ValueError, match="spared: linear leaves no layer to prune"):
        dsd_phases(networks.small(), SHORT, SHORT, 1, spared=("linear",))


# Sensitivity ----------------------------------------------------------------------------------------------------------


def test_the_scan_prunes_one_layer_at_a_time_and_leaves_the_network_as_it_was():
    model, data = networks.small(), networks.vectors()
    run_phases(model, data, [Phase("dense", TrainSettings(10, 0.1))])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calls = []
    found = sensitivity_scan(model, data, [1.0, 0.5, 0.0], progress=lambda *at: calls.append(at[:2]))
    assert [(one.layer, one.density) for one in found] == [(n, d) for n in "03" for d in (1.0, 0.5, 0.0)]
    assert calls == [(at, 6) for at in range(1, 7)]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    error = error_rate(model, data)
    assert [one.error for one in found if one.density == 1] == [error, error]
    assert min(one.error for one in found if one.density == 0) > error
    pruned = networks.small()
    pruned.load_state_dict(before)
    Prune({"3": 0.5}).apply(pruned)
    assert found[4].error == error_rate(pruned, data)
    assert sensitivity_scan(model, data, [0.5], layers=["3"]) == [found[4]]


def test_a_sensitivity_scan_refuses_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match="layers: there is no layer 'fc9', only 0, 3"):
        sensitivity_scan(networks.small(), networks.vectors(), [0.5], layers=["fc9"])


def test_shared_weights_are_no_ground_for_a_sensitivity_scan():
    model = networks.small()
    Share(2).apply(model)
    with pytest.raises(ValueError, match="'0' has shared weights"):
        sensitivity_scan(model, networks.vectors(), [0.5])
