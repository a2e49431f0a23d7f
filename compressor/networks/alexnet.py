"""AlexNet as Caffe has it, with the groups of two GPUs: 61 M parameters, the network of the papers' tables."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from compressor.checks import whole_number
from compressor.networks.seeded import RELU_GAIN, dropout_layer, initialise


class AlexNet(nn.Module):
    """Caffe's AlexNet: 60,954,656 weights and 10,568 biases (Deep Compression, Table 4).

    ``conv2``, ``conv4`` and ``conv5`` are in two groups, each of which sees half the channels; without the groups the
    sizes of the tables do not come out.

    Parameters
    ----------
    dropout : float
        Rate after ``fc6`` and ``fc7``.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    def __init__(self, dropout: float = 0.5, n_classes: int = 1000, seed: int = 0) -> None:
        super().__init__()
        whole_number("n_classes", n_classes, 1)
        with torch.device("meta"):
            self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
            self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
            self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
            self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
            self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
            self.fc6 = nn.Linear(256 * 6 * 6, 4096)
            self.drop6 = dropout_layer(dropout)
            self.fc7 = nn.Linear(4096, 4096)
            self.drop7 = dropout_layer(dropout)
            self.fc8 = nn.Linear(4096, n_classes)
        initialise(self, seed, RELU_GAIN)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images float32 (n, 3, 227, 227)."""
        x = _pool(_normalise(torch.relu(self.conv1(images))))
        x = _pool(_normalise(torch.relu(self.conv2(x))))
        x = torch.relu(self.conv3(x))
        x = torch.relu(self.conv4(x))
        x = _pool(torch.relu(self.conv5(x))).flatten(1)
        x = self.drop6(torch.relu(self.fc6(x)))
        x = self.drop7(torch.relu(self.fc7(x)))
        scores: Tensor = self.fc8(x)
        return scores


def _normalise(x: Tensor) -> Tensor:
    """Local response normalisation over 5 channels, with the constants of Krizhevsky et al. (2012)."""
    return functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2)
