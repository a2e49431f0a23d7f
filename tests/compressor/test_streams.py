import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compressor.coding import fixed_width
from compressor.coding.streams import CODERS, EncodedStream, decode_stream, encode_stream
from compressor.coding.symbols import count_symbols, no_table
from tests.examples import examples


@st.composite
def symbols_of(draw):
    """(symbols, symbol_bits): none, one, few of them or many, evenly or unevenly used."""
    symbol_bits = draw(st.integers(1, 8))
    n_symbols = draw(st.one_of(st.integers(0, 20), st.integers(0, 400)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    skew = draw(st.sampled_from([0.5, 1, 3, 20]))
    return (rng.random(n_symbols) ** skew * (1 << symbol_bits)).astype(np.uint8), symbol_bits


@pytest.fixture(params=CODERS)
def coder(request):
    return request.param


def check_decodes_or_is_refused(stream):
    """What is no stream of any symbols is one ValueError; what is one has no other form."""
    try:
        symbols = decode_stream(stream)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017  (either outcome is right)
        return False
    again = encode_stream(symbols, stream.symbol_bits, stream.coder)
    assert symbols.shape == (stream.n_symbols,)
    assert np.array_equal(again.table, stream.table)
    assert np.array_equal(again.data, stream.data)
    return True


def changed(stream, rng):
    """A stream with some bits, bytes or numbers other than `stream`."""
    part = rng.choice(["table", "data"])
    content = bytearray(getattr(stream, part).tobytes())
    kind = rng.integers(5)
    at = int(rng.integers(len(content) + 1))
    if kind == 0 and content:
        content[at % len(content)] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        content = content[:at]
    elif kind == 2:
        content[at:at] = rng.bytes(int(rng.integers(1, 9)))
    elif kind == 3:
        content = bytearray(rng.bytes(len(content)))
    else:
        return stream._replace(n_symbols=max(0, stream.n_symbols + int(rng.integers(-9, 10))))
    return stream._replace(**{part: np.frombuffer(bytes(content), np.uint8)})


@pytest.mark.parametrize("name", CODERS)
@settings(deadline=None, max_examples=examples(60))
@given(case=symbols_of())
def test_a_stream_gives_its_symbols_back(name, case):
    symbols, symbol_bits = case
    stream = encode_stream(symbols, symbol_bits, name)
    assert (stream.coder, stream.symbol_bits, stream.n_symbols) == (name, symbol_bits, len(symbols))
    assert stream.table.dtype == stream.data.dtype == np.uint8
    found = decode_stream(stream)
    assert found.dtype == np.uint8
    assert np.array_equal(found, symbols)


def test_a_changed_stream_is_refused_or_is_the_one_form_of_other_symbols(coder):
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(400):
        symbol_bits = int(rng.integers(1, 9))
        symbols = (rng.random(int(rng.integers(0, 150))) ** 3 * (1 << symbol_bits)).astype(np.uint8)
        stream = encode_stream(symbols, symbol_bits, coder)
        refused += not check_decodes_or_is_refused(changed(stream, rng))
    assert refused > 100


def test_any_bytes_are_refused_or_are_the_one_form_of_some_symbols(coder):
    rng = np.random.default_rng(4)
    for _ in range(300):
        table, data = (np.frombuffer(rng.bytes(int(rng.integers(0, 12))), np.uint8) for _ in range(2))
        check_decodes_or_is_refused(
            EncodedStream(coder, int(rng.integers(1, 9)), int(rng.integers(0, 60)), table, data)
        )


def test_a_stream_of_no_symbols_has_no_bytes(coder):
    stream = encode_stream(np.zeros(0, np.uint8), 4, coder)
    assert (len(stream.table), len(stream.data)) == (0, 0)
    assert decode_stream(stream).tolist() == []


def test_a_stream_of_no_symbols_has_no_other_bytes(coder):
    empty, one = np.zeros(0, np.uint8), np.ones(1, np.uint8)
    for table, data in ((one, empty), (empty, one)):
        with pytest.raises(ValueError, match=r"table|data"):
            decode_stream(EncodedStream(coder, 4, 0, table, data))


def test_symbols_without_any_bytes_are_refused(coder):
    empty, zero = np.zeros(0, np.uint8), np.zeros(1, np.uint8)
    for data in (empty, zero):
        with pytest.raises(ValueError, match=r"table|data"):
            decode_stream(EncodedStream(coder, 4, 9, empty, data))


def test_symbols_must_fit_their_bits(coder):
    with pytest.raises(ValueError, match="symbols: 16, but 4 bits end at 15"):
        encode_stream(np.array([3, 16], np.uint8), 4, coder)


def test_symbols_may_be_of_any_integer_type(coder):
    stream = encode_stream(np.array([3, 1, 3], np.int64), 2, coder)
    assert decode_stream(stream).tolist() == [3, 1, 3]


@pytest.mark.parametrize("symbol_bits", [0, 9, 2.0])
def test_a_symbol_has_1_to_8_bits(coder, symbol_bits):
    with pytest.raises(ValueError, match="symbol_bits"):
        encode_stream(np.zeros(3, np.uint8), symbol_bits, coder)
    with pytest.raises(ValueError, match="symbol_bits"):
        decode_stream(encode_stream(np.zeros(3, np.uint8), 3, coder)._replace(symbol_bits=symbol_bits))


def test_the_number_of_symbols_is_not_negative(coder):
    with pytest.raises(ValueError, match="n_symbols: -1"):
        decode_stream(encode_stream(np.zeros(3, np.uint8), 3, coder)._replace(n_symbols=-1))


def test_symbols_stand_in_a_row(coder):
    with pytest.raises(ValueError, match=r"symbols: shape \(2, 2\)"):
        encode_stream(np.zeros((2, 2), np.uint8), 3, coder)


def test_a_coder_is_known_by_its_name():
    with pytest.raises(ValueError, match="coder: 'zip', but it must be one of fixed, huffman"):
        encode_stream(np.zeros(3, np.uint8), 3, "zip")
    with pytest.raises(ValueError, match="coder: 'zip'"):
        decode_stream(EncodedStream("zip", 3, 0, np.zeros(0, np.uint8), np.zeros(0, np.uint8)))


@settings(deadline=None, max_examples=examples(50))
@given(hnp.arrays(np.uint8, st.integers(0, 300)))
def test_symbols_are_counted(symbols):
    assert np.array_equal(count_symbols(symbols, 8), np.bincount(symbols, minlength=256))


def test_symbols_of_fixed_width_are_packed_low_bits_first():
    table, data = fixed_width.encode(np.array([0b001, 0b110, 0b101], np.uint8), 3)
    assert len(table) == 0
    assert data.tolist() == [0b01_110_001, 0b1]


def test_symbols_of_4_bits_lie_as_in_a_net_file_of_deep_compression():
    assert fixed_width.encode(np.array([1, 2, 3], np.uint8), 4)[1].tolist() == [0x21, 0x03]


def test_a_fixed_width_takes_its_bits_rounded_up_to_bytes():
    for symbol_bits in range(1, 9):
        for n_symbols in range(20):
            data = fixed_width.encode(np.zeros(n_symbols, np.uint8), symbol_bits)[1]
            assert len(data) == (n_symbols * symbol_bits + 7) // 8


def test_spare_bits_of_a_fixed_width_are_zero():
    with pytest.raises(ValueError, match="beyond symbol 0 must be zero"):
        fixed_width.decode(no_table(), np.array([0x21], np.uint8), 1, 4)


def test_a_fixed_width_has_no_table():
    with pytest.raises(ValueError, match="table: 1 bytes"):
        fixed_width.decode(np.zeros(1, np.uint8), np.zeros(1, np.uint8), 2, 4)


def test_encoded_symbols_of_8_bits_are_a_copy():
    symbols = np.arange(5, dtype=np.uint8)
    _, data = fixed_width.encode(symbols, 8)
    symbols[:] = 0
    assert data.tolist() == [0, 1, 2, 3, 4]
