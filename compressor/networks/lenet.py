"""LeNet-300-100 and LeNet-5, as Caffe and the papers have them: images of 28 x 28, float32, any leading dimension n."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from compressor.checks import whole_number
from compressor.networks.seeded import dropout_layer, initialise

_SIDE = 28  # pixels of an image of MNIST


class LeNet300_100(nn.Module):
    """LeNet-300-100: 784-300-100-10, 266,200 weights (Deep Compression, Table 2).

    Parameters
    ----------
    dropout : float
        Rate after ``ip1`` and ``ip2``; the papers name none for this network.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    def __init__(self, dropout: float = 0.0, n_classes: int = 10, seed: int = 0) -> None:
        super().__init__()
        whole_number("n_classes", n_classes, 1)
        with torch.device("meta"):
            self.ip1 = nn.Linear(_SIDE * _SIDE, 300)
            self.drop1 = dropout_layer(dropout)
            self.ip2 = nn.Linear(300, 100)
            self.drop2 = dropout_layer(dropout)
            self.ip3 = nn.Linear(100, n_classes)
        initialise(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images (n, 28, 28), (n, 1, 28, 28) or (n, 784)."""
        x = torch.relu(self.ip1(images.reshape(-1, _SIDE * _SIDE)))
        x = torch.relu(self.ip2(self.drop1(x)))
        scores: Tensor = self.ip3(self.drop2(x))
        return scores


class LeNet5(nn.Module):
    """Caffe's LeNet-5: 20 and 50 kernels of 5 x 5, 800-500-10, 430,500 weights (Deep Compression, Table 3).

    As there, pooling alone follows a convolution, and the one ReLU stands after ``ip1``.

    Parameters
    ----------
    dropout : float
        Rate after ``ip1``; the papers name none for this network.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    def __init__(self, dropout: float = 0.0, n_classes: int = 10, seed: int = 0) -> None:
        super().__init__()
        whole_number("n_classes", n_classes, 1)
        with torch.device("meta"):
            self.conv1 = nn.Conv2d(1, 20, 5)
            self.conv2 = nn.Conv2d(20, 50, 5)
            self.ip1 = nn.Linear(50 * 4 * 4, 500)
            self.drop1 = dropout_layer(dropout)
            self.ip2 = nn.Linear(500, n_classes)
        initialise(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images (n, 28, 28), (n, 1, 28, 28) or (n, 784)."""
        x = functional.max_pool2d(self.conv1(images.reshape(-1, 1, _SIDE, _SIDE)), 2)
        x = functional.max_pool2d(self.conv2(x), 2)
        x = torch.relu(self.ip1(x.flatten(1)))
        scores: Tensor = self.ip2(self.drop1(x))
        return scores
