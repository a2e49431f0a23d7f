"""SqueezeNet 1.0 and 1.1: fire modules, 1.2 M parameters."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from compressor.checks import whole_number
from compressor.networks.seeded import RELU_GAIN, dropout_layer, initialise

_FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
"""Of each fire module by its number: channels after the squeeze, and of each half of the expansion (Iandola et al.,
2016, Table 1)."""


class Fire(nn.Module):
    """A fire module: 1 x 1 kernels squeeze the channels, 1 x 1 and 3 x 3 kernels side by side expand them.

    The names are those of the authors' Deep Compression file.
    """

    def __init__(self, n_inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.conv1x1_1 = nn.Conv2d(n_inputs, squeezed, 1)
        self.conv1x1_2 = nn.Conv2d(squeezed, expanded, 1)
        self.conv3x3_2 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, 2 * expanded, rows, columns) of features (n, n_inputs, rows, columns)."""
        x = torch.relu(self.conv1x1_1(x))
        return torch.cat([torch.relu(self.conv1x1_2(x)), torch.relu(self.conv3x3_2(x))], 1)


class _SqueezeNet(nn.Module):
    """What both versions share; they differ in the first layer and in where they pool."""

    FIRST: ClassVar[tuple[int, int]]  # channels and kernel size of conv1
    POOLED: ClassVar[tuple[int, ...]]  # numbers of the layers that pooling follows
    FINAL_PADDING: ClassVar[int]

    def __init__(self, dropout: float = 0.5, n_classes: int = 1000, seed: int = 0) -> None:
        super().__init__()
        whole_number("n_classes", n_classes, 1)
        channels, size = self.FIRST
        with torch.device("meta"):
            self.conv1 = nn.Conv2d(3, channels, size, stride=2)
            for number, (squeezed, expanded) in _FIRES.items():
                self.add_module(f"fire{number}", Fire(channels, squeezed, expanded))
                channels = 2 * expanded
            self.drop9 = dropout_layer(dropout)
            self.conv_final = nn.Conv2d(channels, n_classes, 1, padding=self.FINAL_PADDING)
        initialise(self, seed, RELU_GAIN)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images float32 (n, 3, 227, 227)."""
        x = self._pooled(1, torch.relu(self.conv1(images)))
        for number in _FIRES:
            x = self._pooled(number, self.get_submodule(f"fire{number}")(x))
        return torch.relu(self.conv_final(self.drop9(x))).mean((2, 3))

    def _pooled(self, number: int, x: Tensor) -> Tensor:
        # Caffe rounds the size of a pooled image up.
        return functional.max_pool2d(x, 3, stride=2, ceil_mode=True) if number in self.POOLED else x


class SqueezeNet1_0(_SqueezeNet):
    """SqueezeNet 1.0: 1,244,448 weights and 3,976 biases; the network of the authors' compressed file.

    As there, the last layer of 1 x 1 kernels has a padding of 1, so that bias alone stands at the border.

    Parameters
    ----------
    dropout : float
        Rate after ``fire9``.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    FIRST = (96, 7)
    POOLED = (1, 4, 8)
    FINAL_PADDING = 1


class SqueezeNet1_1(_SqueezeNet):
    """SqueezeNet 1.1: 1,231,552 weights and 3,944 biases, and 2.4 times less computation than 1.0 (its authors).

    The layers are called as in 1.0.

    Parameters
    ----------
    dropout : float
        Rate after ``fire9``.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    FIRST = (64, 3)
    POOLED = (1, 3, 5)
    FINAL_PADDING = 0
