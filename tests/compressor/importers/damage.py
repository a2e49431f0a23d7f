"""Ways to damage the bytes of a file, and a measure of what reading a damaged one takes."""

import os
import subprocess
import sys


def flip_bits(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def set_bytes(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
    return bytes(changed)


def swap_bytes(rng, content):
    changed = bytearray(content)
    one, other = rng.integers(0, len(changed), 2)
    changed[one], changed[other] = changed[other], changed[one]
    return bytes(changed)


def cut_and_paste(rng, content):
    """Remove, repeat, overwrite or insert a stretch."""
    begin, end = sorted(rng.integers(0, len(content), 2))
    end = min(end, begin + int(rng.integers(1, 60)))
    stretch = content[begin:end]
    other = [b"", stretch * 2, bytes(len(stretch)), rng.bytes(len(stretch)), b"\xff" * 10]
    return content[:begin] + other[rng.integers(len(other))] + content[end:]


def truncate(rng, content):
    return content[: rng.integers(len(content))]


DAMAGES = [flip_bits, set_bytes, swap_bytes, cut_and_paste, truncate]

_MEASURE = """
import resource, sys, time
from pathlib import Path
from compressor.importers import {reader} as read
from compressor.storage.files import FormatError

def status(key):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(key)) * 1024

read(sys.argv[1])
for path in map(Path, sys.argv[2:]):
    allowed = 10 * path.stat().st_size + 100_000_000
    # A safeguard for this machine: address space counts each thread's arena and stack too, so it is no measure.
    resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + allowed + 400_000_000, resource.RLIM_INFINITY))
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, began = status("VmHWM"), time.process_time()
    try:
        read(path)
        answer = "accepted"
    except FormatError as error:
        answer = f"refused {{error}}"
    print(path.name, status("VmHWM") - before, allowed, time.process_time() - began, answer, sep="\\t")
"""


def accepted_within_limits(reader, good, bombs, folder, seconds=10):
    """Names of the files that `reader` accepts; fails when one takes more memory or time than is allowed."""
    (folder / "good").write_bytes(good)
    for name, bomb in bombs.items():
        (folder / name).write_bytes(bomb)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(reader=reader), folder / "good", *(folder / name for name in bombs)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(bombs)
    for name, used, allowed, took, answer in lines:
        assert int(used) <= int(allowed), (name, used, allowed, answer)
        assert float(took) < seconds, (name, took, answer)
    return {line[0] for line in lines if line[-1] == "accepted"}
