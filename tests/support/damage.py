"""Usage: damage.py KIND FILE: damages a file in place (safetensors, but for the last kinds)."""
import json
import struct
import sys

NAME = "bert.pooler.dense.weight"


def split(data):
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def join(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def edited(edit):
    """The same file with an edited header."""

    def damage(data):
        header, rest = split(data)
        edit(header)
        return join(header, rest)

    return damage


def move(header, begin, end):
    offsets = header[NAME]["data_offsets"]
    header[NAME]["data_offsets"] = [offsets[0] + begin, offsets[1] + end]


def converted(dtype):
    """All F32 tensors as 16-bit ones: cut to BF16, or halves."""

    def convert(data):
        header, rest = split(data)
        out = b""
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            values = struct.unpack("<%df" % ((end - begin) // 4), rest[begin:end])
            if dtype == "F16":
                piece = struct.pack("<%de" % len(values), *values)
            else:
                piece = b"".join(struct.pack("<f", value)[2:] for value in values)
            entry["dtype"] = dtype
            entry["data_offsets"] = [len(out), len(out) + len(piece)]
            out += piece
        return join(header, out)

    return convert


def without(name):
    def remove(data):
        header, rest = split(data)
        begin, end = header.pop(name)["data_offsets"]
        for key, entry in header.items():
            if key != "__metadata__" and entry["data_offsets"][0] >= end:
                entry["data_offsets"] = [at - (end - begin) for at in entry["data_offsets"]]
        return join(header, rest[:begin] + rest[end:])

    return remove


KINDS = {
    "empty": lambda data: b"",
    "short": lambda data: data[:5],
    "truncated": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "appended": lambda data: data + b"x",
    "long-header": lambda data: struct.pack("<Q", len(data)) + data[8:],
    "huge-header": lambda data: struct.pack("<Q", 1 << 62) + data[8:],
    "bad-header": lambda data: data[:20] + b"\0" + data[21:],
    "pickled": lambda data: b"PK\3\4" + data[4:],
    "overlap": edited(lambda header: move(header, -4, -4)),
    "beyond": edited(lambda header: move(header, 1 << 40, 1 << 40)),
    "negative": edited(lambda header: move(header, -(1 << 40), 0)),
    "resized": edited(lambda header: move(header, 0, -4)),
    "integers": edited(lambda header: header[NAME].update(dtype="I32")),
    "unknown-type": edited(lambda header: header[NAME].update(dtype="F33")),
    "reshaped": edited(lambda header: header[NAME].update(shape=[16, 64])),
    "missing-tensor": without("bert.encoder.layer.1.output.dense.weight"),
    "halves": converted("F16"),
    "brains": converted("BF16"),
    # any file
    "one-bit": lambda data: data[: len(data) // 2]
    + bytes([data[len(data) // 2] ^ 1])
    + data[len(data) // 2 + 1 :],
}

if __name__ == "__main__":
    kind, path = sys.argv[1:]
    with open(path, "rb") as file:
        before = file.read()
    with open(path, "wb") as file:
        file.write(KINDS[kind](before))
