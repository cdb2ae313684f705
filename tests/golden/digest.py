"""How a tensor is held in a few numbers: norm, 64 projections, 256 entries. See README.md."""

import numpy as np

PROJECTIONS, SAMPLES = 64, 256
GOLDEN_RATIO = 0x9E3779B97F4A7C15


def splitmix64(seed, index):
    """Element `index` of the splitmix64 sequence that starts at `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (index.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN_RATIO)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def project(x):
    """64 sums of x with signs: + where bit p of splitmix64(0, element) is set."""
    total = np.zeros(PROJECTIONS)
    for first in range(0, x.size, 1 << 18):
        part = x[first : first + (1 << 18)]
        bits = splitmix64(0, np.arange(first, first + part.size))
        ones = np.unpackbits(bits.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        total += 2.0 * (part @ ones.astype(np.float64)) - part.sum()
    return total


def sample_indices(size):
    if size <= SAMPLES:
        return np.arange(size)
    return (splitmix64(1, np.arange(SAMPLES)) % np.uint64(size)).astype(np.int64)


def touched_indices(ids, width):
    """Entries of a lookup table in rows that the batch uses."""
    draw = splitmix64(2, np.arange(2 * SAMPLES))
    rows = np.asarray(ids)[(draw[:SAMPLES] % np.uint64(len(ids))).astype(np.int64)]
    return rows * width + (draw[SAMPLES:] % np.uint64(width)).astype(np.int64)


def digest(out, named, ids, samples=True, projection_type=np.float32):
    """Adds norms, projections and samples of every named array (float64) to `out`."""
    norms, projections, entries, sizes = [], [], [], []
    for name, array in named.items():
        flat = array.reshape(-1)
        norms.append(np.linalg.norm(flat))
        projections.append(project(flat))
        sizes.append(flat.size)
        if not samples:
            continue
        chosen = sample_indices(flat.size)
        if name.endswith("word_embeddings.weight"):
            chosen = touched_indices(ids, array.shape[1])
            out["word_indices"] = chosen.astype(np.int32)
        entries.append(flat[chosen])
    out["sizes"] = np.array(sizes, np.int32)
    out["norms"] = np.array(norms)
    out["projections"] = np.array(projections).astype(projection_type)
    if samples:
        out["samples"] = np.concatenate(entries).astype(np.float32)
