"""What a file of ``torch.save`` must be before PyTorch is let at it: a zip archive with a pickle of tensors only.

``torch.load(weights_only=True)`` runs no code of the file, yet it makes whatever sizes the file declares, and a key of
deeply nested tuples ends the process. So the sizes of the archive and the steps of its pickle are looked at first; none
of it is executed, and PyTorch is not needed for it.
"""

import pickletools
import re
import struct
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED

from compressor.importers.zip_archive import opened_zip
from compressor.storage.files import file_size, memory_limit

_FIRST_BYTES = b"PK\x03\x04"
_OLD_BYTES = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # a pickle of the number that older files begin with
_PICKLE = "data.pkl"
_SCRIPT = re.compile(r"[^/]*/(constants\.pkl|code/.*)", re.DOTALL)  # members that TorchScript alone has

_DIRECTORY_FACTOR = 20  # bytes of memory that Python takes for each of the archive's directory, at most

# Most bytes that a step of a pickle takes, and one that makes an object; measured with PyTorch 2.13, and rounded up.
_STEP_BYTES, _OBJECT_BYTES = 100, 1200
_PROTOCOL = 2  # of pickle; PyTorch loads no other without running what is in it
_CALLS = ("REDUCE", "NEWOBJ")
_DEEPEST_TUPLE, _LONGEST_TUPLE = 20, 64  # a tensor has at most 64 dimensions

_ORDERED_DICT = "collections OrderedDict"
_UNTYPED = "torch.storage UntypedStorage"
_KNOWN = {
    _ORDERED_DICT,
    "torch device",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",  # of types that have no storage of their own, such as float8_e4m3fn
    _UNTYPED,  # their storage; it is named, never called
}
_OTHER_TENSORS = {
    "torch._utils _rebuild_qtensor": "quantised",
    "torch._utils _rebuild_sparse_tensor": "sparse",
    "torch._utils _rebuild_nested_tensor": "nested",
}
_KNOWN_TYPES = re.compile(r"torch (\w+Storage|b?float\d+\w*|complex\d+|u?int\d+|bool)")
_TYPES_THAT_ALLOCATE = ("torch TypedStorage", "torch UntypedStorage")


def check_torch_file(path: Path) -> int:
    """Check that the file at `path` is an archive of tensors whose sizes are not forged; gives its size in bytes.

    Raises
    ------
    ValueError
        When it is something else; the message does not name the file.
    OSError
        When it cannot be read.
    """
    size = file_size(path)
    with path.open("rb") as file:
        first = file.read(len(_OLD_BYTES))
    if first == _OLD_BYTES:
        raise ValueError(
            "written in the format before PyTorch 1.6; convert it: "
            f"torch.save(torch.load({path.name!r}, weights_only=True), {path.stem + '-new' + path.suffix!r})"
        )
    if not first.startswith(_FIRST_BYTES):
        raise ValueError("no PyTorch file in the zip format that torch.save has written since PyTorch 1.6")
    limit = memory_limit(size) // 2
    with opened_zip(path, limit // _DIRECTORY_FACTOR) as archive:
        members = archive.infolist()
        if any(_SCRIPT.fullmatch(member.filename) for member in members):
            raise ValueError(
                "a TorchScript archive, as torch.jit.save writes it; save its weights: "
                f"torch.save(torch.jit.load({path.name!r}).state_dict(), {path.stem + '-weights.pt'!r})"
            )
        # Attack: a kilobyte that inflates to gigabytes.
        packed = next((m.filename for m in members if m.compress_type != ZIP_STORED), None)
        if packed is not None:
            raise ValueError(f"member {packed!r} of the archive is compressed, as torch.save never does")
        # Attack: a directory that names the same bytes again and again.
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"the members of the archive take more than the {size} bytes of the file")
        # Attack: two pickles, of which one is checked here and the other is loaded.
        pickles = [member for member in members if member.filename.rpartition("/")[2] == _PICKLE]
        if len(pickles) != 1:
            raise ValueError(f"the archive has {len(pickles)} members called {_PICKLE}, but a PyTorch file has one")
        broken = archive.testzip()
        if broken is not None:
            raise ValueError(f"member {broken!r} of the archive is damaged: its CRC-32 is another")
        steps = archive.read(pickles[0])
    _check_pickle(steps, limit)
    return size


def _check_pickle(steps: bytes, limit: int) -> None:
    """Go through a pickle without doing what it says, and see that it makes tensors and no more than `limit` bytes."""
    needed = 0
    stack = _Stack()
    try:
        with warnings.catch_warnings():  # of a wrong escape in a text
            warnings.simplefilter("ignore", DeprecationWarning)
            for step, argument, _ in pickletools.genops(steps):
                # Attack: a step of a byte makes an object of a kilobyte.
                needed += _OBJECT_BYTES if step.name in _CALLS else _STEP_BYTES
                if needed > limit:
                    raise _Refused(f"its pickle of {len(steps)} bytes makes more than {limit} bytes of objects")
                if step.proto > _PROTOCOL or (step.name == "PROTO" and argument != _PROTOCOL):
                    raise _Refused(f"its pickle has a protocol beyond {_PROTOCOL}, which torch.save writes by itself")
                stack.do(step, argument)
    except _Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error, EOFError) as error:
        raise ValueError(f"no sound pickle: {error}") from None


class _Refused(ValueError):
    """A pickle is sound, but not one that is read."""


class _Stack:
    """What a pickle's steps do, with tuples as their depth: only these can be nested in a way that ends a process.

    A thing is a whole number, the depth of a tuple or -1 of anything else, or the name of what can be called.
    """

    def __init__(self) -> None:
        self._things: list[int | str | None] = []  # None is a mark
        self._memory: dict[int, int | str | None] = {}

    def do(self, step: Any, argument: Any) -> None:
        """Do one step; a ValueError where no tensor needs it, an IndexError or KeyError where no pickle has it."""
        name = step.name
        if name == "GLOBAL":
            self._things.append(_allowed(argument))
        elif name in _CALLS:
            arguments, called = self._things.pop(), self._things.pop()
            if not isinstance(called, str):
                raise _Refused("no plain state dict: something in it is called that is no function")
            # Attack: a type whose constructor allocates any number of bytes.
            if called == _UNTYPED:
                raise _Refused(f"no plain state dict: it makes a {_UNTYPED.replace(' ', '.')!r} of its own")
            # Attack: a dictionary of a dictionary of ..., which is as deep as a tuple can be.
            if called == _ORDERED_DICT and arguments != 0:
                raise _Refused("no plain state dict: a dictionary in it is made from another")
            self._things.append(-1)
        elif name.startswith("TUPLE"):
            parts = self._down_to_mark() if name == "TUPLE" else [self._things.pop() for _ in range(int(name[5:]))]
            self._things.append(_depth_of_tuple(parts))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memory[argument] = self._things[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self._things.append(self._memory[argument])
        elif name == "EMPTY_TUPLE":
            self._things.append(0)
        elif name == "MARK":
            self._things.append(None)
        else:  # it makes no tuple and calls nothing: what it takes off and puts on is known
            before = list(step.stack_before)
            if pickletools.markobject in before:
                self._down_to_mark()
                before = before[: before.index(pickletools.markobject)]
            for _ in before:
                self._things.pop()
            self._things += [-1] * len(step.stack_after)

    def _down_to_mark(self) -> list[int | str | None]:
        parts: list[int | str | None] = []
        while (part := self._things.pop()) is not None:
            parts.append(part)
        return parts


def _depth_of_tuple(parts: list[int | str | None]) -> int:
    """The depth of a tuple of `parts`, as `_Stack` keeps it.

    Attack: a tuple that is nested a hundred thousand deep; to hash it as a key ends the process.
    """
    depth = 1 + max((part for part in parts if isinstance(part, int)), default=0)
    if depth > _DEEPEST_TUPLE or len(parts) > _LONGEST_TUPLE:
        raise _Refused(f"no plain state dict: a tuple of {len(parts)} items, nested {depth} deep")
    return max(depth, 1)


def _allowed(called: str) -> str:
    """`called`, the name of a function or type, if plain tensors need it.

    Attacks: a function that runs a program; a type whose constructor allocates any number of bytes, but for the
    one that fp8 tensors name, which `_Stack` lets nobody call.
    """
    if called in _KNOWN or (_KNOWN_TYPES.fullmatch(called) and called not in _TYPES_THAT_ALLOCATE):
        return called
    if called in _OTHER_TENSORS:
        raise _Refused(f"it holds a {_OTHER_TENSORS[called]} tensor; only dense tensors of numbers are read")
    raise _Refused(
        f"no plain state dict: it holds {called.replace(' ', '.')!r:.200}, but only tensors are read; "
        "save the module's state_dict() alone"
        + (", or NumPy's numbers with float()" if called.startswith("numpy") else "")
    )
