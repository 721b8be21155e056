#!/usr/bin/env python3
"""Writes src/test/resources/tokenizers/classes: small tokenizer.json files, and the ids that AutoTokenizer gives where
tokenizer_config.json says otherwise than they do. Needs transformers and tokenizers."""
import json, pathlib, random, tempfile
import transformers as tf
import goldens
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = """the quick brown fox jumps over the lazy dog
The Café was closed, because of the Rain in Été
der schnelle braune Fuchs springt über den faulen Hund
in 1999 the price rose by 12.5 % to 3,400 dollars""".split("\n")
TEXTS = ["the dog", " the dog", "The CAFÉ", "e\u0301te\u0301", "日本 dog", "", "<s>the dog</s>the", "a <x> dog <y>the", "``quotes'' the", "[PAD]the"]
PAIRS = [("the dog", "The fox")]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCEPIECE = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def trained(model, trainer, pre_tokenizer, normalizer=None):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def template(first, last):
    return lambda t: processors.TemplateProcessing(single=f"{first}:0 $A:0 {last}:0", pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1",
                                                   special_tokens=[(first, t.token_to_id(first)), (last, t.token_to_id(last))])


def word_pieces(lowercase):
    t = trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=110, special_tokens=BERT, show_progress=False),
                pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=lowercase))
    t.decoder = decoders.WordPiece()
    t.post_processor = template("[CLS]", "[SEP]")(t)
    return t


def byte_level(prefix):
    t = trained(models.BPE(), trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False), pre_tokenizers.ByteLevel(add_prefix_space=prefix))
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, prefix)
    return t


def metaspace(old):
    """Llama 2's kind: scheme in the pre-tokenizer, or as a normalizer, as it was written first."""
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    t = trained(models.BPE(fuse_unk=True, byte_fallback=True), trainers.BpeTrainer(vocab_size=360, special_tokens=["<unk>", "<s>", "</s>"] + byte_tokens,
                show_progress=False), pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    state = json.loads(t.to_str())
    state["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    state["added_tokens"] = state["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(state))
    if old:
        t.pre_tokenizer = None
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def unigram():
    t = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=90, special_tokens=SENTENCEPIECE, unk_token="<unk>", show_progress=False),
                pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), normalizers.NFKC())
    t.decoder = decoders.Metaspace()
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


def albert():
    t = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=90, special_tokens=["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], unk_token="<unk>",
                show_progress=False), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
                                      normalizers.Lowercase()]))
    t.decoder = decoders.Metaspace()
    t.post_processor = template("[CLS]", "[SEP]")(t)
    return t


FILES = {"wordpiece": word_pieces(True), "wordpiece_cased": word_pieces(False), "bytelevel": byte_level(False), "bytelevel_prefix": byte_level(True),
         "metaspace": metaspace(False), "prepend": metaspace(True), "unigram": unigram(), "albert": albert()}
PADDING = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
CASES = [  # file, model type, tokenizer_config.json and, of some, what is changed in tokenizer.json
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer"}),
    ("wordpiece", "bert", {}),
    ("wordpiece_cased", "bert", {"tokenizer_class": "BertTokenizer"}),
    ("wordpiece_cased", "bert", {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False}),
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}),
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer", "strip_accents": False}),
    ("wordpiece", "distilbert", {"tokenizer_class": "DistilBertTokenizer", "strip_accents": True, "do_lower_case": False}),
    ("wordpiece", "electra", {"tokenizer_class": "ElectraTokenizer", "tokenize_chinese_chars": False}),
    ("wordpiece_cased", "bert", {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True}),
    ("bytelevel", "roberta", {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}),
    ("bytelevel_prefix", "roberta", {"tokenizer_class": "RobertaTokenizer"}),
    ("bytelevel_prefix", "roberta", {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}),
    ("bytelevel_prefix", "gpt2", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}),
    ("bytelevel", "gpt2", {"tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": True}),
    ("bytelevel_prefix", "gpt_neox", {"tokenizer_class": "GPTNeoXTokenizer", "add_prefix_space": False}),
    ("bytelevel_prefix", "qwen2", {"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False}),
    ("bytelevel_prefix", "modernbert", {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False}),
    ("bytelevel", "llama", {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizer"}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": True, "legacy": True}),
    ("metaspace", "llama", {}),
    ("prepend", "llama", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": True}),
    ("prepend", "llama", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": True, "legacy": True}),
    ("prepend", "llama", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}),
    ("prepend", "mistral", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}),
    ("prepend", "llama", {"tokenizer_class": "LlamaTokenizer"}),
    ("prepend", "llama", {"tokenizer_class": "LlamaTokenizerFast", "legacy": True, "add_prefix_space": None}),
    ("prepend", "llama", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ("unigram", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": False}),
    ("unigram", "camembert", {"tokenizer_class": "CamembertTokenizer", "add_prefix_space": False, "additional_special_tokens": []}),
    ("unigram", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}),
    ("albert", "albert", {"tokenizer_class": "AlbertTokenizer"}),
    ("albert", "albert", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False}),
    ("albert", "albert", {"tokenizer_class": "AlbertTokenizer", "keep_accents": True}),
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer", "additional_special_tokens": ["<x>", "<y>"]}),
    ("bytelevel", "llama", {"tokenizer_class": "PreTrainedTokenizerFast", "extra_special_tokens": ["<x>"], "pad_token": "[PAD]"}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizer", "pad_token": "[PAD]"}),
    ("bytelevel", "gpt2", {"tokenizer_class": "GPT2Tokenizer", "pad_token": {"__type": "AddedToken", "content": "[PAD]", "lstrip": False, "normalized": True,
                           "rstrip": False, "single_word": False}}),
    # Which classes give token types, and what model_input_names says instead.
    ("wordpiece", "bert", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ("wordpiece", "bert", {"tokenizer_class": "TokenizersBackend", "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}),
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", "attention_mask"]}),
    ("wordpiece", "electra", {}),
    ("wordpiece", "albert", {"tokenizer_class": "BertTokenizerFast"}),
    ("albert", "albert", {"tokenizer_class": "AlbertTokenizer", "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}),
    # What a class gives its model whatever the file says.
    ("wordpiece", "bert", {}, {"model": {"max_input_chars_per_word": 4}, "normalizer": {"clean_text": False}}),
    ("wordpiece", "bert", {"tokenizer_class": "PreTrainedTokenizerFast"}, {"model": {"max_input_chars_per_word": 4}}),
    ("bytelevel", "gpt2", {}, {"model": {"ignore_merges": True}}),
    ("bytelevel", "qwen2", {}, {"model": {"ignore_merges": True, "dropout": 0.5}}),
    ("bytelevel", "gpt2", {"tokenizer_class": "TokenizersBackend"}, {"model": {"ignore_merges": True}}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizer"}, {"model": {"byte_fallback": False}}),
    ("unigram", "xlm-roberta", {}, {"model": {"unk_id": 0, "byte_fallback": True}}),
    ("albert", "albert", {}, {"model": {"unk_id": 0}}),
    # Of pre-tokenizers and normalizers of other parts the class has its own.
    ("unigram", "xlm-roberta", {}, {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}}),
    ("albert", "albert", {}, {"normalizer": None}),
    ("metaspace", "llama", {"tokenizer_class": "LlamaTokenizer"}, {"padding": PADDING}),
    ("bytelevel", "llama", {"tokenizer_class": "PreTrainedTokenizerFast"}, {"padding": PADDING}),
    ("bytelevel", "gpt2", {}, {"padding": PADDING}),
    ("bytelevel", "llama", {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<s>"}, {"padding": PADDING}),
]
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/tokenizers/classes"
target.mkdir(parents=True, exist_ok=True)
for name, tokenizer in FILES.items():
    goldens.write(target / f"{name}.json", tokenizer.to_str(pretty=False).encode())
def changed(tokenizer, changes):
    state = json.loads(tokenizer.to_str())
    for part, values in changes.items():
        if isinstance(values, dict) and isinstance(state[part], dict) and "type" not in values:
            state[part].update(values)
        else:
            state[part] = values
    return json.dumps(state)


def truncations():
    """How many tokens of two texts, whose words have some tokens each, are left of at most so many."""
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "u": 2}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="u $A u", pair="u $A u $B u", special_tokens=[("u", 2)])
    random.seed(5)
    rows = []
    for i in range(130):
        first, second = ([random.randint(1, 4) for _ in range(random.randint(0, 7))] for _ in range(2))
        most, side = random.randint(4, 15), random.choice(["left", "right"])
        tokenizer.enable_truncation(most, strategy="longest_first", direction=side)
        ids = tokenizer.encode_batch([(" ".join("a" * n for n in first), " ".join("b" * n for n in second))])[0].ids
        rows.append({"first": first, "second": second, "most": most, "left": side == "left", "kept": [ids.count(0), ids.count(1)]})
    return rows


rows = []
for name, model_type, config, *changes in CASES:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "tokenizer.json").write_text(changed(FILES[name], changes[0] if changes else {}))
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = tf.AutoTokenizer.from_pretrained(folder)
        texts = [{"text": text, "ids": tokenizer(text)["input_ids"], "decoded": tokenizer.decode(tokenizer(text)["input_ids"],
                  skip_special_tokens=True, clean_up_tokenization_spaces=False)} for text in TEXTS]
        pairs = [{"text": a, "pair": b, "ids": tokenizer(a, b)["input_ids"], "type_ids": tokenizer(a, b).get("token_type_ids")} for a, b in PAIRS]
        rows.append({"file": name, "class": type(tokenizer).__name__, "model_type": model_type, "tokenizer_config": config,
                     **({"changes": changes[0]} if changes else {}), "rows": texts + pairs})
goldens.write_json(target / "cases.json", rows)
goldens.write_json(target / "truncations.json", truncations())
