"""Two recurrent networks: an LSTM that reads an image row by row, and one that reads text."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from compressor.checks import whole_number
from compressor.data.text import ALPHABET
from compressor.networks.seeded import initialise


class LSTMClassifier(nn.Module):
    """An LSTM that reads an image row by row; a linear layer classifies its last state.

    Parameters
    ----------
    hidden : int
        Units of the LSTM.
    n_inputs : int
        Numbers that are read in a step: pixels of a row.
    n_classes : int
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    def __init__(self, hidden: int = 128, n_inputs: int = 28, n_classes: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.n_inputs = whole_number("n_inputs", n_inputs, 1)
        with torch.device("meta"):
            self.lstm = nn.LSTM(n_inputs, whole_number("hidden", hidden, 1), batch_first=True)
            self.fc = nn.Linear(hidden, whole_number("n_classes", n_classes, 1))
        initialise(self, seed)
        _remember(self.lstm)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, n_classes), of images (n, rows, n_inputs) or (n, 1, rows, n_inputs)."""
        _, (last, _) = self.lstm(images.reshape(images.shape[0], -1, self.n_inputs))
        scores: Tensor = self.fc(last[-1])
        return scores


class CharLSTM(nn.Module):
    """A small LSTM that predicts the next character of a text from those before it.

    Parameters
    ----------
    n_symbols : int
        Size of the alphabet; by default that of `compressor.data.text`.
    hidden : int
        Units of the LSTM.
    embedding : int or None
        Numbers that stand for a character; None: one for each of the alphabet, a 1 among zeros, and nothing to learn.
    seed : int

    Raises
    ------
    ValueError
        When a setting is out of its limits.
    """

    def __init__(
        self, n_symbols: int = len(ALPHABET), hidden: int = 128, embedding: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.n_symbols = whole_number("n_symbols", n_symbols, 1)
        n_inputs = n_symbols if embedding is None else whole_number("embedding", embedding, 1)
        with torch.device("meta"):
            self.embedding = None if embedding is None else nn.Embedding(n_symbols, n_inputs)
            self.lstm = nn.LSTM(n_inputs, whole_number("hidden", hidden, 1), batch_first=True)
            self.fc = nn.Linear(hidden, n_symbols)
        initialise(self, seed)
        _remember(self.lstm)

    def forward(self, characters: Tensor) -> Tensor:
        """Scores of the character after each one: float32 (n, n_symbols, length) of int64 (n, length).

        The scores stand in dimension 1, where `torch.nn.functional.cross_entropy` looks for them.
        """
        if self.embedding is None:
            x = functional.one_hot(characters, self.n_symbols).to(self.fc.weight.dtype)
        else:
            x = self.embedding(characters)
        states, _ = self.lstm(x)
        scores: Tensor = self.fc(states)
        return scores.transpose(1, 2)


def _remember(lstm: nn.LSTM) -> None:
    """Set the biases of the forget gates to 1, so that an untrained cell keeps its state (Jozefowicz et al., 2015)."""
    # The second of four blocks; the two biases are added, so that one of them is enough.
    with torch.no_grad():
        cast(Tensor, lstm.bias_ih_l0)[lstm.hidden_size : 2 * lstm.hidden_size] = 1
