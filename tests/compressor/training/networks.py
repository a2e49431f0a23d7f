"""Small networks and data for the tests of training."""

import torch
from torch import Tensor, nn

torch.set_num_threads(1)


class Mixed(nn.Module):
    """A convolution, a batch normalisation, an LSTM of two layers, a GRU in both directions, a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.lstm = nn.LSTM(32, 6, num_layers=2, batch_first=True)
        self.gru = nn.GRU(6, 5, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(10, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(images)))
        x, _ = self.lstm(x.transpose(1, 2).flatten(2))
        x, _ = self.gru(x)
        scores: Tensor = self.fc(self.drop(x[:, -1]))
        return scores


MIXED_LAYERS = [
    "conv",
    "lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.weight_ih_l1", "lstm.weight_hh_l1",
    "gru.weight_ih_l0", "gru.weight_hh_l0", "gru.weight_ih_l0_reverse", "gru.weight_hh_l0_reverse",
    "fc",
]  # fmt: skip


def seeded(make, seed=0):
    """A network whose weights are drawn with `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def mixed(seed=0):
    return seeded(Mixed, seed)


def small(seed=0, dropout=0.0):
    """Eight inputs, two matrices, three classes."""
    return seeded(lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 3)), seed)


def conv_net(seed=0):
    def make():
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(48, 3))

    return seeded(make, seed)


def images(n=60, seed=1):
    """Images of 8 x 8 in three classes: noise, with a bright third."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=generator)
    pictures = torch.rand(n, 1, 8, 8, generator=generator)
    for picture, label in zip(pictures, labels, strict=True):
        picture[0, 2 * int(label) : 2 * int(label) + 3] += 1
    return pictures, labels


def vectors(n=90, seed=1):
    """Eight numbers in three classes that a small network can tell apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=generator)
    inputs = torch.randn(n, 8, generator=generator)
    inputs[torch.arange(n), labels] += 2.5
    return inputs, labels


def same_state(one, other):
    """Whether two models hold the same bytes."""
    mine, theirs = one.state_dict(), other.state_dict()
    return list(mine) == list(theirs) and all(
        mine[name].numpy().tobytes() == theirs[name].numpy().tobytes() for name in mine
    )
