"""A text to train a character network on: sentences drawn from a small grammar, the same on every machine.

Subject and verb agree over whatever stands between them, so that a network which looks at the last few characters alone
cannot predict all of it. A sentence has one derivation, so that its probability is known, and with it the loss that no
network can beat on average.
"""

import random
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_integers, frozen, whole_number

_NOUNS = ("queue", "row", "column", "pointer", "weight", "code", "unit", "bank")
_VERBS = ("hold", "read", "feed", "follow", "need", "move", "count", "skip")

# The alternatives of a rule are equally likely. A symbol without a rule is a word. What follows a noun belongs to that
# noun, so that no sentence can be read in two ways.
_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "<sentence>": (("<one>", "<verbs>", "<thing>"), ("<many>", "<verb>", "<thing>")),
    "<thing>": (("<one>",), ("<many>",)),
    "<one>": (("the", "<noun>", "<of one>"), ("each", "<noun>", "<of one>")),
    "<many>": (("the", "<nouns>", "<of many>"), ("all", "<nouns>", "<of many>")),
    "<of one>": ((), ("of", "<thing>"), ("that", "<verbs>", "<thing>")),
    "<of many>": ((), ("of", "<thing>"), ("that", "<verb>", "<thing>")),
    "<noun>": tuple((noun,) for noun in _NOUNS),
    "<nouns>": tuple((f"{noun}s",) for noun in _NOUNS),
    "<verb>": tuple((verb,) for verb in _VERBS),
    "<verbs>": tuple((f"{verb}s",) for verb in _VERBS),
}

_END = ". "

ALPHABET = "".join(
    sorted(set(_END).union(*(w for options in _RULES.values() for o in options for w in o if w not in _RULES)))
)
"""The characters of `grammar_text`; the code of a character is its place here."""


@dataclass(frozen=True, eq=False)
class GrammarText:
    """A text as codes of characters.

    Attributes
    ----------
    train, test : ndarray of uint8
        Codes: places in `alphabet`.
    alphabet : str
    bits_per_character : float
        Information in the test text, in bits a character; the cross entropy that the best of all networks would have.
    source : str
        Where it comes from.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    alphabet: str
    bits_per_character: float
    source: str


def grammar_text(n_train: int = 200_000, n_test: int = 20_000, seed: int = 0) -> GrammarText:
    """Sentences of a small grammar, drawn with `seed`: at least `n_train` and `n_test` characters of whole sentences.

    Raises
    ------
    ValueError
        When a number is not a whole one, or there are no characters.
    """
    rng = random.Random(whole_number("seed", seed, 0))
    train, _ = _draw(rng, whole_number("n_train", n_train, 1))
    test, bits = _draw(rng, whole_number("n_test", n_test, 1))
    source = f"sentences of the grammar in compressor/data/text.py, seed {seed}"
    return GrammarText(_codes(train), _codes(test), ALPHABET, bits / len(test), source)


def windows(codes: NDArray[np.uint8], length: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A text cut in pieces that do not overlap, and the character after each of theirs; what is left over is dropped.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n,)
    length : int

    Returns
    -------
    inputs, targets : ndarray of uint8, shape ((n - 1) // length, length)
        ``targets[i, t]`` comes after ``inputs[i, t]`` in the text.

    Raises
    ------
    ValueError
        When the text is too short for one piece.
    """
    codes = as_integers("codes", codes, np.uint8).reshape(-1)
    length = whole_number("length", length, 1, max(1, codes.size - 1))
    n = (codes.size - 1) // length
    if n < 1:
        raise ValueError(f"codes: {codes.size} characters, but a piece of {length} needs {length + 1}")
    return codes[: n * length].reshape(n, length), codes[1 : n * length + 1].reshape(n, length)


def _draw(rng: random.Random, n_characters: int) -> tuple[str, float]:
    """Sentences until there are `n_characters`, and the information in them in bits."""
    sentences: list[str] = []
    length, bits = 0, 0.0
    while length < n_characters:
        words, more = _sentence(rng)
        sentences.append(" ".join(words) + _END)
        length, bits = length + len(sentences[-1]), bits + more
    return "".join(sentences), bits


def _sentence(rng: random.Random) -> tuple[list[str], float]:
    words: list[str] = []
    bits, stack = 0.0, ["<sentence>"]
    while stack:
        symbol = stack.pop()
        if symbol in _RULES:
            options = _RULES[symbol]
            # `random()` is the one method whose numbers Python promises never to change for a seed.
            stack.extend(reversed(options[int(rng.random() * len(options))]))
            bits += log2(len(options))
        else:
            words.append(symbol)
    return words, bits


def _codes(text: str) -> NDArray[np.uint8]:
    return frozen(np.searchsorted(np.array(list(ALPHABET)), np.array(list(text))).astype(np.uint8))
