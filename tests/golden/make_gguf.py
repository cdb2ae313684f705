#!/usr/bin/env python3
"""Writes tests/golden/gguf and the first inputs of the GGUF fuzzer.

python 3.11, gguf 0.19.0, numpy 2.4.6, safetensors 0.8.0

    make_gguf.py
"""

import os

import gguf
import numpy
from gguf import GGMLQuantizationType as Type
from gguf import quants
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "fuzz", "corpus", "gguf")
QUANTISED = (Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1)


def random_blocks(generator, kind, count):
    """Blocks that `gguf` cannot quantise to: any bytes, but scales that are small numbers."""
    blocks = generator.integers(0, 256, (count, gguf.GGML_QUANT_SIZES[kind][1]), numpy.uint8)
    halves = generator.normal(0, 0.1, (count, 2)).astype(numpy.float16).view(numpy.uint8)
    if kind == Type.Q4_K:
        blocks[:, :4] = halves
    else:
        blocks[:, -2:] = halves[:, :2]
    return blocks


def encode(generator, kind, rows, cols):
    values = generator.normal(0, 1, (rows, cols)).astype(numpy.float32)
    values[0, :32] = 0  # a block without scale
    if kind == Type.F32:
        return values
    if kind in QUANTISED:
        values[1, :4] = 6e-8, -6e-8, 1e-5, 3.0517578125e-05 + 2**-25
        return quants.quantize(values, kind)
    blocks = random_blocks(generator, kind, rows * cols // 256)
    return blocks.reshape(rows, -1)


def add_metadata(writer):
    writer.add_string("text", "Zürich \N{SNOWMAN}")
    writer.add_uint8("u8", 200)
    writer.add_int8("i8", -100)
    writer.add_uint16("u16", 60000)
    writer.add_int16("i16", -30000)
    writer.add_uint32("u32", 4000000000)
    writer.add_int32("i32", -2000000000)
    writer.add_uint64("u64", 2**64 - 1)
    writer.add_int64("i64", -(2**63))
    writer.add_float32("f32", 0.1)
    writer.add_float64("f64", 0.1)
    writer.add_bool("bool", True)
    writer.add_array("texts", ["a", "", "\u0120the", "x\0y"])
    writer.add_array("ints", [1, -2, 3])
    writer.add_array("reals", [0.5, -1.25])
    writer.add_array("bools", [True, False])


def write(path, kinds, rows, cols, alignment=None, metadata=True):
    generator, values = numpy.random.default_rng(17), {}
    writer = gguf.GGUFWriter(path, "test")
    if alignment:
        writer.add_custom_alignment(alignment)
    if metadata:
        add_metadata(writer)
    for kind in kinds:
        data = encode(generator, kind, rows, cols)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = quants.dequantize(data, kind).reshape(rows, cols)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


def write_q8(values):
    """What the writer must make of F32: ggml's own halves and blocks."""
    generator = numpy.random.default_rng(18)
    x = generator.normal(0, 1, (8, 64)).astype(numpy.float32)
    x[0, :32] = 0
    x[1, :8] = numpy.float32([2**-24, 2**-25, 3 * 2**-25, 6.1e-5, 65504, 65519, -1e-10, 0.1])
    values["input"] = x
    values["input.F16"] = x.astype(numpy.float16).view(numpy.uint8).astype(numpy.int32)
    values["input.Q8_0"] = quants.quantize(x, Type.Q8_0).astype(numpy.int32)


BYTES = ["h", "e", "l", "o", "\u0120", "1", "he", "ll", "hell", "\u0120l", "<|end|>", "<tool>"]
PIECES = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "\xfc"]


def add_shape(writer, name, eps):
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(48)
    writer.add_head_count(2)
    if name == "gpt2":
        writer.add_layer_norm_eps(eps)
        return
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(16)


def add_bytes(writer, pre):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(BYTES)
    writer.add_token_types([1] * 10 + [3, 4])
    writer.add_token_merges(["h e", "l l", "he ll", "\u0120 l"])
    writer.add_bos_token_id(10)
    writer.add_eos_token_id(10)
    writer.add_add_bos_token(True)


def add_pieces(writer):
    writer.add_tokenizer_model("llama")
    writer.add_token_list(PIECES)
    writer.add_token_types([2, 3, 3, 6] + [1] * 7)
    writer.add_token_scores([0.0] * 4 + [-4.0, -5.0, -6.0, -2.0, -1.0, -3.0, -7.0])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_eos_token(True)


def write_model(path, name, pre):
    """An embedding and the first query matrix, counting up, of a model that small."""
    writer = gguf.GGUFWriter(path, name)
    add_shape(writer, name, 1e-5)
    if pre:
        add_bytes(writer, pre)
    else:
        add_pieces(writer)
    vocab = len(BYTES) if pre else len(PIECES)
    matrix = numpy.arange(32 * 96, dtype=numpy.float32).reshape(96, 32)
    writer.add_tensor("token_embd.weight", matrix[:vocab])
    if name == "gpt2":
        writer.add_tensor("blk.0.attn_qkv.weight", matrix)
    else:
        writer.add_tensor("blk.0.attn_q.weight", matrix[:32])
        writer.add_tensor("blk.0.attn_k.weight", matrix[:16])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_models(folder):
    for name, pre in (("llama", "smollm"), ("qwen2", "qwen2"), ("gpt2", "gpt-2"), ("llama", None)):
        write_model(os.path.join(folder, f"{name}-{pre or 'pieces'}.gguf"), name, pre)


def main():
    kinds = (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.Q6_K)
    folder = os.path.join(HERE, "gguf")
    values = write(os.path.join(folder, "types.gguf"), kinds, 3, 512)
    write_q8(values)
    contiguous = {name: numpy.ascontiguousarray(value) for name, value in values.items()}
    save_file(contiguous, os.path.join(folder, "types.safetensors"))
    write_models(folder)
    write_models(CORPUS)
    write(os.path.join(CORPUS, "types"), kinds[2:], 2, 256, metadata=False)
    write(os.path.join(CORPUS, "aligned"), kinds[:2], 2, 32, alignment=8)
    write(os.path.join(CORPUS, "empty"), (), 0, 0, metadata=False)


main()
