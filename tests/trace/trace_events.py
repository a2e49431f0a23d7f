"""The trace-event format as its public description has it, as far as our traces use it, and how its events are read."""

import gzip
import json
from collections import defaultdict
from itertools import pairwise

import numpy as np

# For each phase: the keys of an event and the type of each value. No other key may be there.
PHASES = {
    "X": {"ph": str, "pid": int, "tid": int, "ts": int, "dur": int, "name": str, "cat": str, "args": dict},
    "C": {"ph": str, "pid": int, "ts": int, "name": str, "args": dict},
    "M": {"ph": str, "pid": int, "tid": int, "name": str, "args": dict},
}
METADATA = {
    "process_name": ("name", str),
    "process_sort_index": ("sort_index", int),
    "thread_name": ("name", str),
    "thread_sort_index": ("sort_index", int),
}


def read(path):
    """The JSON of a trace, gzipped or not."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def check_schema(document):
    """That `document` is in the JSON object format, and every event what its phase asks for."""
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    assert isinstance(document["otherData"], dict)
    for event in document["traceEvents"]:
        fields = PHASES[event["ph"]]
        assert set(event) == set(fields), event
        assert all(type(event[name]) is kind for name, kind in fields.items()), event
        assert event.get("ts", 1) >= 1
        if event["ph"] == "X":
            assert event["dur"] > 0
            assert event["name"]
        if event["ph"] == "C":
            assert event["args"]
            assert all(type(value) in (int, float) for value in event["args"].values()), event
        if event["ph"] == "M":
            key, kind = METADATA[event["name"]]
            assert type(event["args"][key]) is kind, event


def of_phase(events, phase):
    return [event for event in events if event["ph"] == phase]


def names_of_tracks(events):
    """Name of each thread; every slice has one."""
    named = [event for event in of_phase(events, "M") if event["name"] == "thread_name"]
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in named}
    assert len(names) == len(named) == len(set(names.values()))
    return names


def tracks(events):
    """For each name of a thread its slices ``(begin, end, name, category)`` in the order of the file."""
    names = names_of_tracks(events)
    found = defaultdict(list)
    for event in of_phase(events, "X"):
        place = names[event["pid"], event["tid"]]
        found[place].append((event["ts"], event["ts"] + event["dur"], event["name"], event["cat"]))
    return dict(found)


def check_nesting(slices):
    """That slices of a track never overlap, but that one may lie inside the one before it; the outer ones."""
    outer = []
    inside_until = 0
    for begin, end, *rest in slices:
        if outer and begin < outer[-1][1]:
            assert begin >= max(outer[-1][0], inside_until), "two slices overlap"
            assert end <= outer[-1][1], "a slice leaves the one around it"
            inside_until = end
        else:
            outer.append((begin, end, *rest))
            inside_until = begin
    assert all(a[1] <= b[0] for a, b in pairwise(outer))
    return outer


def counter_values(events, name, window):
    """Value of a counter track in every cycle of a window."""
    begin, end = window
    changes = [event for event in of_phase(events, "C") if event["name"] == name]
    assert changes[0]["ts"] == begin
    assert all(a["ts"] < b["ts"] for a, b in pairwise(changes))
    values = np.zeros(end - begin, np.int64)
    for event in changes:
        (value,) = event["args"].values()
        values[event["ts"] - begin :] = value
    return values
