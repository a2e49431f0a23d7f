"""Reads a value change dump, by the format's public description alone: every variable in every step of time."""

import re


def read_vcd(text):
    """``(begin, end, {path: values})``: the value of each variable at ``begin .. end - 1``; None for x."""
    head, body = text.split("$enddefinitions $end", 1)
    paths = _paths(head)
    now, begin, end = {}, None, None
    found = {path: [] for path in paths}
    for line in body.split("\n"):
        if line.startswith("#"):
            time = int(line[1:])
            if begin is None:
                begin = time
            else:
                for path, (identifier, _) in paths.items():
                    found[path] += [now[identifier]] * (time - end)
            end = time
        elif line and not line.startswith("$"):
            identifier, value = _change(line)
            now[identifier] = value
    for path, (_, bits) in paths.items():
        assert all(value is None or isinstance(value, str) or value < 2**bits for value in found[path]), path
    return begin, end, found


def _paths(head):
    """For each variable, ``eie.pe0.act_queue.waiting`` and so on, its identifier and its bits."""
    scopes, paths = [], {}
    for declaration in re.findall(r"\$(scope|upscope|var)\s(.*?)\$end", head, re.DOTALL):
        kind, rest = declaration[0], declaration[1].split()
        if kind == "scope":
            scopes.append(rest[1])
        elif kind == "upscope":
            scopes.pop()
        else:
            _, bits, identifier, name = rest[:4]
            paths[".".join([*scopes, name])] = identifier, int(bits)
    assert not scopes
    return paths


def _change(line):
    if line[0] in "bs":
        value, identifier = line[1:].split()
        return identifier, _number(value) if line[0] == "b" else value
    return line[1:], _number(line[0])


def _number(digits):
    return None if "x" in digits else int(digits, 2)
