"""VGG-16: thirteen convolutions and three fully connected layers, 138 M parameters."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from compressor.checks import whole_number
from compressor.networks.seeded import RELU_GAIN, dropout_layer, initialise

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the convolutions of each block; pooling halves the image after a block (Simonyan and
Zisserman, 2015, Table 1, column D)."""


class VGG16(nn.Module):
    """VGG-16: 138,344,128 weights and 13,416 biases (Deep Compression, Table 5).

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
            n_inputs = 3
            for block, (channels, n_layers) in enumerate(_BLOCKS, 1):
                for layer in range(1, n_layers + 1):
                    self.add_module(f"conv{block}_{layer}", nn.Conv2d(n_inputs, channels, 3, padding=1))
                    n_inputs = channels
            self.fc6 = nn.Linear(512 * 7 * 7, 4096)
            self.drop6 = dropout_layer(dropout)
            self.fc7 = nn.Linear(4096, 4096)
            self.drop7 = dropout_layer(dropout)
            self.fc8 = nn.Linear(4096, n_classes)
        initialise(self, seed, RELU_GAIN)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images float32 (n, 3, 224, 224)."""
        x = images
        for block, (_, n_layers) in enumerate(_BLOCKS, 1):
            for layer in range(1, n_layers + 1):
                x = torch.relu(self.get_submodule(f"conv{block}_{layer}")(x))
            x = functional.max_pool2d(x, 2)
        x = self.drop6(torch.relu(self.fc6(x.flatten(1))))
        x = self.drop7(torch.relu(self.fc7(x)))
        scores: Tensor = self.fc8(x)
        return scores
