import hashlib
from collections import Counter
from math import log2

import numpy as np
import pytest

from compressor.data.text import ALPHABET, grammar_text, windows

NOUNS = ["queue", "row", "column", "pointer", "weight", "code", "unit", "bank"]
VERBS = ["hold", "read", "feed", "follow", "need", "move", "count", "skip"]


def letters(codes):
    return "".join(ALPHABET[code] for code in codes)


def bits_of(sentence):
    """Read a sentence from the left, counting the choices: an independent reading of the grammar."""
    words, bits = sentence.split(), 1.0  # one or many

    def number():
        return words[0] == "each" or (words[0] == "the" and words[1] in NOUNS)

    def phrase():
        nonlocal bits
        one = number()
        determiner, noun = words.pop(0), words.pop(0)
        assert determiner in ("the", "each" if one else "all")
        assert noun in (NOUNS if one else [f"{n}s" for n in NOUNS])
        bits += 1 + 3 + log2(3)
        if words and words[0] in ("of", "that"):
            if words.pop(0) == "that":
                verb(one)
            bits += 1
            phrase()
        return one

    def verb(one):
        nonlocal bits
        assert words.pop(0) in ([f"{v}s" for v in VERBS] if one else VERBS)
        bits += 3

    verb(phrase())
    bits += 1
    phrase()
    assert not words
    return bits


def test_every_sentence_reads_in_one_way_and_its_information_is_counted():
    text = grammar_text(10, 5_000, seed=3)
    sentences = letters(text.test).split(". ")
    assert sentences.pop() == ""
    assert text.bits_per_character == pytest.approx(sum(map(bits_of, sentences)) / len(text.test), rel=1e-12)


def test_the_text_of_a_seed_never_changes():
    text = grammar_text(1_000, 1_000)
    assert letters(text.train).startswith("all pointers need each column of all weights. ")
    digest = hashlib.sha256(text.train.tobytes() + text.test.tobytes()).hexdigest()
    assert digest == "2acd0fa68584d627ca960a6ba8eaa1db35104b224e6e04c46f25f5e99a3f78a4"
    assert not np.array_equal(grammar_text(1_000, 1_000, seed=1).train[:200], text.train[:200])
    assert "seed 0" in text.source


def test_whole_sentences_are_drawn_until_there_are_enough_characters():
    text = grammar_text(500, 300)
    for part, wanted in ((text.train, 500), (text.test, 300)):
        assert len(part) >= wanted
        assert letters(part).endswith(". ")
        assert len(letters(part).rstrip(". ").rpartition(". ")[0]) < wanted
        assert not part.flags.writeable


def test_the_alphabet_is_what_the_text_uses():
    text = grammar_text(20_000, 1)
    assert list(ALPHABET) == sorted(set(ALPHABET))
    assert set(letters(text.train)) == set(ALPHABET)
    assert text.alphabet == ALPHABET


def test_nothing_that_looks_at_single_characters_comes_near_the_bound():
    text = grammar_text(1, 20_000)
    counts = np.array(list(Counter(text.test.tolist()).values()))
    shares = counts / counts.sum()
    assert -(shares * np.log2(shares)).sum() > 4 * text.bits_per_character


def test_windows_are_pieces_and_the_characters_after_them():
    inputs, targets = windows(np.arange(11, dtype=np.uint8), 3)
    assert inputs.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert targets.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert windows([5, 6], 1)[1].tolist() == [[6]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grammar_text(0), "n_train: 0, but it must be at least 1"),
        (lambda: grammar_text(1, 0), "n_test: 0"),
        (lambda: grammar_text(seed=-1), "seed: -1"),
        (lambda: windows([1, 2, 3], 3), "length: 3, but it must be 1 to 2"),
        (lambda: windows([1, 2, 3], 0), "length: 0"),
        (lambda: windows([1], 1), "codes: 1 characters, but a piece of 1 needs 2"),
        (lambda: windows([0.5, 1.0], 1), "codes: dtype float64"),
    ],
)
def test_a_bad_argument_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
