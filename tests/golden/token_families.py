"""Byte-level BPE tokenizers as their families configure them, for a vocabulary and merges."""

import json

from token_strings import ATOMS, string
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SINCE_GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CAPITALS, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SHORTENED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{CAPITALS}*{SMALL}+{SHORTENED}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{CAPITALS}+{SMALL}*{SHORTENED}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SPECIALS += ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def special(*names, **flags):
    return [AddedToken(name, normalized=False, special=True, **flags) for name in names]


def bpe(vocabulary, merges, **options):
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, **options))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(regex):
    rule = pre_tokenizers.Split(Regex(regex), "isolated")
    return pre_tokenizers.Sequence([rule, pre_tokenizers.ByteLevel(False, False, use_regex=False)])


def gpt2(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=True, special=True)])
    return tokenizer


def roberta(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    sep, cls = ("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"])
    tokenizer.post_processor = processors.RobertaProcessing(sep, cls)
    names = special("<s>", "<pad>", "</s>", "<unk>")
    tokenizer.add_special_tokens(names + special("<mask>", lstrip=True))
    return tokenizer


def added(vocabulary, merges):
    """Added tokens of every sort among texts that get a space."""
    tokenizer = roberta(vocabulary, merges)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tokenizer.add_tokens(
        [
            AddedToken("<one>", single_word=True, normalized=False),
            AddedToken("<left>", lstrip=True, normalized=False),
            AddedToken("<right>", rstrip=True, normalized=True),
            AddedToken("Caf\u00e9", normalized=True),
            AddedToken("  ", normalized=False),
            AddedToken("the", single_word=True, normalized=True),
        ]
    )
    return tokenizer


def llama3(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges, ignore_merges=True)
    tokenizer.pre_tokenizer = split(SINCE_GPT4.format(r"\p{N}{1,3}"))
    begin = "<|begin_of_text|>"
    tokenizer.add_special_tokens(special(begin, "<|end_of_text|>"))
    template = processors.TemplateProcessing(
        single=f"{begin}:0 $A:0",
        pair=f"{begin}:0 $A:0 {begin}:1 $B:1",
        special_tokens=[(begin, tokenizer.token_to_id(begin))],
    )
    bytes_first = processors.ByteLevel(trim_offsets=False)
    tokenizer.post_processor = processors.Sequence([bytes_first, template])
    return tokenizer


def qwen2(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split(SINCE_GPT4.format(r"\p{N}"))
    tokenizer.post_processor = processors.ByteLevel(False, False, use_regex=False)
    tokenizer.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken("\u00e9\u0301", normalized=True)])
    return tokenizer


def smollm2(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tokenizer.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    return tokenizer


def o200k(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges)
    tokenizer.pre_tokenizer = split(O200K)
    tokenizer.add_special_tokens(special("<|endoftext|>"))
    return tokenizer


def unknown(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges, unk_token="<unk>", fuse_unk=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_special_tokens(special("<unk>"))
    return tokenizer


def sentencepiece(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    parts = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    tokenizer.normalizer = normalizers.Sequence(parts)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    parts = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(parts + [decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>"))
    return tokenizer


def llama2(vocabulary, merges):
    """As sentencepiece, in the form that transformers writes today."""
    tokenizer = sentencepiece(vocabulary, merges)
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.add_tokens([AddedToken("<left>", lstrip=True, normalized=False)])
    return tokenizer


def metaspace(vocabulary, merges):
    tokenizer = bpe(vocabulary, merges, unk_token="<unk>", fuse_unk=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), digits])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>"))
    tokenizer.add_tokens([AddedToken("the", single_word=True, normalized=True)])
    return tokenizer


PIECES = (sentencepiece, llama2, metaspace)
FAMILIES = {
    family.__name__: family
    for family in (gpt2, roberta, added, llama3, qwen2, smollm2, o200k, unknown, *PIECES)
}
LACKING = ("smollm2", "unknown")  # some bytes have no token, as in SmolLM2


def model_of(tokenizer):
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def train(lines, size):
    """A small byte-level vocabulary with tokens that no merge makes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary, merges = model_of(tokenizer)
    for word in ("unaffable", "\u0120unaffable", "b" * 100, "Tokenization", "\u0120" * 20):
        vocabulary.setdefault(word, len(vocabulary))
    return vocabulary, merges


def train_sentencepiece(lines, size):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256) if byte != 0xAD]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=tokens, limit_alphabet=120, show_progress=False
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    tokenizer.train_from_iterator(lines, trainer)
    return model_of(tokenizer)


def without(vocabulary, merges, missing):
    kept = [token for token in vocabulary if not set(token) & set(missing) or token in SPECIALS]
    vocabulary = {token: i for i, token in enumerate(kept)}
    return vocabulary, [pair for pair in merges if all(x in vocabulary for x in pair)]


def small(name, lines):
    """A family with a small vocabulary of its own, trained on the lines."""
    texts = lines + [string(i).decode("utf-8", "ignore") for i in range(3000)] + 20 * ATOMS
    if FAMILIES[name] in PIECES:
        return FAMILIES[name](*train_sentencepiece(texts, 700))
    vocabulary, merges = train(texts, 700)
    if name in LACKING:
        vocabulary, merges = without(vocabulary, merges, "\u00c0\u00c1\u00f1\u0104\u00f5\u00e4")
    return FAMILIES[name](vocabulary, merges)
