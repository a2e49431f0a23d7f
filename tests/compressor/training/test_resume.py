"""The same seed gives the same bytes, and an interrupted run goes on as one that was not."""

import pytest

from tests.extras import needs

torch = needs("torch", "train")

from compressor.storage.files import FormatError  # noqa: E402
from compressor.training import Phase, Prune, Release, Share, TrainSettings, find_layers, run_phases, train  # noqa: E402
from compressor.training.checkpoint import MAGIC, load_checkpoint, save_checkpoint  # noqa: E402
from tests.compressor.training import networks  # noqa: E402

SGD = TrainSettings(3, rate=0.05, l2=1e-3, batch_size=25, cuts=[(2, 0.1)])
SCHEDULE = [
    Phase("dense", SGD),
    Phase("prune", SGD, Prune(0.4)),
    Phase("dense again", TrainSettings(2, rate=0.01, batch_size=30, optimizer="adam"), Release()),
    Phase("share", TrainSettings(2, rate=0.001, batch_size=25, seed=7), Share(3)),
    Phase("look", TrainSettings(0)),
]
N_BATCHES = 4 * (3 + 3 + 2) + 3 * 2


class Interrupted(Exception):
    """Somebody pulled the plug."""


def plug_pulled_after(batches):
    """A progress callback that stops the run when so many of all batches are done."""

    def progress(done, total, text):
        if done == batches:
            raise Interrupted

    return progress


def uninterrupted(make=networks.small, data=networks.vectors, schedule=SCHEDULE):
    model = make(dropout=0.3) if make is networks.small else make()
    return model, run_phases(model, data(), schedule, held_out=data(seed=2))


@pytest.fixture(scope="module")
def whole():
    return uninterrupted()


def test_the_same_seed_gives_the_same_bytes_whatever_numbers_were_drawn_before(whole):
    torch.rand(7)
    state = torch.get_rng_state()
    again, records = uninterrupted()
    assert networks.same_state(again, whole[0])
    assert records == whole[1]
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_gives_others(whole):
    other, _ = uninterrupted(schedule=[Phase(p.name, TrainSettings(1, seed=1), p.step) for p in SCHEDULE])
    assert not networks.same_state(other, whole[0])


@pytest.mark.parametrize("pulled_after", [1, 4, 9, 13, 23, 26, 31, N_BATCHES - 1])
def test_an_interrupted_run_goes_on_bit_for_bit(whole, tmp_path, pulled_after):
    path = tmp_path / "run.pt"
    data, held_out = networks.vectors(), networks.vectors(seed=2)
    with pytest.raises(Interrupted):
        run_phases(
            networks.small(dropout=0.3), data, SCHEDULE,
            held_out=held_out, checkpoint=path, progress=plug_pulled_after(pulled_after),
        )  # fmt: skip
    # Where nothing was kept yet the run begins anew, so that the network must be the same; else it need not be.
    model = networks.small(seed=0 if pulled_after <= 4 else 8, dropout=0.3)
    records = run_phases(model, data, SCHEDULE, held_out=held_out, checkpoint=path)
    assert networks.same_state(model, whole[0])
    assert records == whole[1]


def test_a_run_may_be_interrupted_again_and_again(whole, tmp_path):
    path, stops = tmp_path / "run.pt", [6, 11, 12, 19, 25, 33]
    for stop in stops:
        with pytest.raises(Interrupted):
            run_phases(
                networks.small(dropout=0.3), networks.vectors(), SCHEDULE,
                checkpoint=path, progress=plug_pulled_after(stop), keep_every=2,
            )  # fmt: skip
    model = networks.small(dropout=0.3)
    run_phases(model, networks.vectors(), SCHEDULE, checkpoint=path)
    assert networks.same_state(model, whole[0])


def test_a_finished_run_is_read_from_its_checkpoint_without_training(whole, tmp_path):
    path = tmp_path / "run.pt"
    run_phases(networks.small(dropout=0.3), networks.vectors(), SCHEDULE, checkpoint=path)
    calls = []
    model = networks.small(seed=3, dropout=0.3)
    run_phases(model, networks.vectors(), SCHEDULE, checkpoint=path, progress=lambda *at: calls.append(at))
    assert calls == []
    assert networks.same_state(model, whole[0])


def test_recurrent_networks_resume_too(tmp_path):
    schedule = [
        Phase("prune", TrainSettings(2, rate=0.05, batch_size=20), Prune(0.5)),
        Phase("share", TrainSettings(2, rate=0.001, batch_size=20, clip=1.0), Share(2)),
    ]
    model, _ = uninterrupted(networks.mixed, networks.images, schedule)
    path = tmp_path / "run.pt"
    for stop in (4, 10):
        with pytest.raises(Interrupted):
            run_phases(networks.mixed(), networks.images(), schedule, checkpoint=path, progress=plug_pulled_after(stop))
    again = networks.mixed(seed=5)
    run_phases(again, networks.images(), schedule, checkpoint=path)
    assert networks.same_state(again, model)


def test_channels_last_goes_through_every_form_and_every_resumption(tmp_path):
    short = TrainSettings(1, rate=0.05, batch_size=20)
    phases = [Phase("", short, step) for step in (None, Prune(0.5), Release(), Prune(0.25), Share(2))]

    def run(make, **options):
        model = make()
        run_phases(model, networks.images(), phases, **options)
        return model

    def last(seed=0):
        return networks.conv_net(seed).to(memory_format=torch.channels_last)

    def strides(model):
        return [tensor.stride() for tensor in model.state_dict().values()]

    model = run(last)
    assert [layer.weight.stride() for layer in find_layers(model).values()] == [
        p.stride() for p in last().parameters() if p.ndim > 1
    ]
    for at in range(len(phases)):
        path = tmp_path / f"{at}.pt"
        with pytest.raises(Interrupted):
            run(last, checkpoint=path, progress=plug_pulled_after(3 * at + 2))
        # What was kept tells the layout, whatever that of the network is that is given to go on with.
        again = run(last if at % 2 == 0 else networks.conv_net, checkpoint=path)
        assert networks.same_state(again, model)
        assert strides(again) == strides(model)


def test_any_iterable_of_batches_gives_the_same_order_every_time():
    class Shuffling:
        def __iter__(self):
            inputs, labels = networks.vectors()
            for part in torch.randperm(len(labels)).split(30):
                yield inputs[part], labels[part]

    results = []
    for _ in range(2):
        torch.rand(3)
        model = networks.small()
        train(model, Shuffling(), TrainSettings(2))
        results.append(model)
    assert networks.same_state(*results)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train(networks.small(), networks.vectors(), TrainSettings(1), checkpoint=path)
    with pytest.raises(ValueError, match=r"run.pt: it is of another schedule"):
        train(networks.small(), networks.vectors(), TrainSettings(2), checkpoint=path)
    with pytest.raises(ValueError, match="its layers are 0, 3, but the model's are 0, 2, 4"):
        train(networks.conv_net(), networks.images(), TrainSettings(1), checkpoint=path)
    wider = torch.nn.Sequential(torch.nn.Linear(8, 13), torch.nn.ReLU(), torch.nn.ReLU(), torch.nn.Linear(13, 3))
    with pytest.raises(ValueError, match="it is not of this model: size mismatch"):
        train(wider, networks.vectors(), TrainSettings(1), checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", MAGIC.replace(b"1", b"9")])
def test_a_file_that_is_no_checkpoint_is_one_clear_error(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"run.pt: it begins with b'.*', but a checkpoint with b'eie-sim training"):
        load_checkpoint(path)


def test_a_damaged_checkpoint_is_refused_wherever_the_damage_is(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"numbers": torch.arange(100)})
    assert torch.equal(load_checkpoint(path)["numbers"], torch.arange(100))
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(FormatError):
                load_checkpoint(path)


def test_a_forged_checkpoint_runs_no_code(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"harm": networks.small()})
    with pytest.raises(FormatError, match=r"run.pt: no checkpoint"):
        load_checkpoint(path)


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    path, (inputs, labels) = tmp_path / "run", networks.vectors()
    train(networks.small(), (inputs, labels), SGD, checkpoint=path)
    with pytest.raises(ValueError, match="run: it is of other data"):
        train(networks.small(), (inputs + 1, labels), SGD, checkpoint=path)
    with pytest.raises(ValueError, match="run: it is of other data"):
        train(networks.small(), (inputs, labels), SGD, checkpoint=path, held_out=(inputs, labels))
