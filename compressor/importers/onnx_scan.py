"""What an ONNX file takes in memory, added up before any of it is parsed.

Attack: a protobuf message of two bytes takes hundreds in memory, and so does a number of one. A file of a few megabytes
can ask for gigabytes, and the parser would take them.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from compressor.storage.files import memory_limit

COPIES = 3
"""Of a file in memory: as read, in the parser, in the checker."""

# Most bytes that a message, a text and a number take in the parser and in the checker together; measured with onnx 1.23
# on files of nothing else, and rounded up.
_MESSAGE_BYTES, _TEXT_BYTES, _NUMBER_BYTES = 600, 100, 50

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_LONGEST_VARINT = 10  # bytes


def check_memory(content: bytes, descriptor: Any) -> None:
    """Add up what parsing `content` as a message of type `descriptor` will take, message by message.

    Raises
    ------
    ValueError
        If it is more than a file of this size may take, or no message is encoded so.
    """
    limit = memory_limit(len(content))
    needed = COPIES * len(content)
    waiting: list[tuple[Any, int, int]] = [(descriptor, 0, len(content))]
    while waiting:
        message, at, end = waiting.pop()
        fields = _fields(message)
        while at < end:
            key, at = _varint(content, at, end)
            number, wire = key >> 3, key & 7
            needed += _NUMBER_BYTES
            if wire == _VARINT:
                _, at = _varint(content, at, end)
            elif wire in (_FIXED32, _FIXED64):
                at += 4 if wire == _FIXED32 else 8
            elif wire == _LENGTH:
                length, begin = _varint(content, at, end)
                at = begin + length
                field = fields.get(number)
                if field is not None and field.is_text and at <= end:
                    _check_text(content[begin:at], begin)
                # A list of what is still to be looked at in place of a recursion: messages may be nested any depth.
                if at <= end and field is not None and field.message_type is not None:
                    waiting.append((field.message_type, begin, at))
                    needed += _MESSAGE_BYTES
                elif field is not None and field.is_packable:
                    # Of fixed size they are counted by their bytes already; a varint ends with a byte below 128.
                    if not field.is_fixed_size:
                        ends = np.frombuffer(content[begin:at], np.uint8) < 0x80
                        needed += _NUMBER_BYTES * int(np.count_nonzero(ends))
                else:
                    needed += _TEXT_BYTES
            else:
                raise ValueError(f"no ONNX model: byte {at} begins a field of unknown wire type {wire}")
            if at > end:
                raise ValueError(f"no ONNX model: a field ends at byte {at}, but what it is part of ends at {end}")
            if needed > limit:
                raise ValueError(f"its parts take more than the {limit} bytes of memory allowed for its {len(content)}")


def _check_text(content: bytes, begin: int) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"no ONNX model: the string at byte {begin} is not UTF-8") from None


class _Field(NamedTuple):
    message_type: Any  # descriptor, or None
    is_text: bool
    is_packable: bool  # numbers that may stand one after another in one field
    is_fixed_size: bool  # numbers of 4 or 8 bytes, and no varints


@cache
def _fields(message: Any) -> dict[int, _Field]:
    # Types by their numbers in protobuf's FieldDescriptor.
    texts = {9, 10, 11, 12}  # string, group, message, bytes
    fixed = {1, 2, 6, 7, 15, 16}  # double, float, fixed64, fixed32, sfixed32, sfixed64
    return {f.number: _Field(f.message_type, f.type == 9, f.type not in texts, f.type in fixed) for f in message.fields}


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at byte `at`, and where it ends."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at + shift >= end:
            raise ValueError("no ONNX model: it is cut short within a number")
        byte = content[at + shift]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError(f"no ONNX model: the number at byte {at} has more than {_LONGEST_VARINT} bytes")
