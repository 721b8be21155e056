#!/usr/bin/env python3
"""Writes src/test/resources/tokenizers: small tokenizers, trained on the sentences below, as Transformers' classes for families
of encoders save them, and what they give for texts, pairs and words. Needs transformers, tokenizers and sentencepiece; run without
arguments for all, or with the names of some."""
import json, pathlib, sys
import transformers as tf
import goldens
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = """the quick brown fox jumps over the lazy dog while the old cat sleeps in the sun
a stirring and funny story of beauty and the beast, told in the rain
she said that they don't know what it was, and that nobody could've known it then
le café où l'été dernier nous étions assis était fermé à cause de la pluie
der schnelle braune Fuchs springt über den faulen Hund, während die Katze schläft
in 1999 the price rose by 12.5 % to 3,400 dollars; in 2001 it fell again
the book was good but the film was very bad, which made the people sad
it is a long way from here to there, and a longer way back in the snow""".split("\n")
TEXTS = SENTENCES[:4] + ["", " ", "  two  spaces ", "The QUICK Brown fox", "naïve façade, Übermut!", "tabs\tand\nlines", "``quotes'' \u201cand\u201d",
                         "日本語 mixed with English", "emoji 😀 here", "a-b_c http://x.org/?q=1", "[CLS] <s> [SEP] </s> <mask> [MASK] <pad>", "x" * 40, "e\u0301t\u00e9 ﬁn"]
PAIRS = [("was it good", "it was very bad"), ("", "a"), ("the dog", ""), ("où est le café", "à la pluie")]
WORDS = [["the", "dog", "'s", "café", "unknownish", ",", "X"], ["a"], ["in", "1999"]]


def trained(model, trainer, pre_tokenizer, normalizer=None):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def unigram(specials, unknown, normalizer=None):
    """Pieces with their scores, the special ones first."""
    trainer = trainers.UnigramTrainer(vocab_size=140, special_tokens=specials, unk_token=unknown, show_progress=False)
    model = trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normalizer)
    return [tuple(piece) for piece in json.loads(model.to_str())["model"]["vocab"]]


def word_pieces(specials, unknown):
    trainer = trainers.WordPieceTrainer(vocab_size=160, special_tokens=specials, show_progress=False)
    normalizer = normalizers.BertNormalizer(lowercase=True)
    model = trained(models.WordPiece(unk_token=unknown), trainer, pre_tokenizers.BertPreTokenizer(), normalizer)
    return model.get_vocab()


def modernbert():
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    model = trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), normalizers.NFC())
    model.decoder = decoders.ByteLevel()
    model.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return tf.PreTrainedTokenizerFast(tokenizer_object=model, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]",
                                      mask_token="[MASK]", model_input_names=["input_ids", "attention_mask"])


class SentencePieceFolder:
    """A folder that has a sentencepiece file, and no tokenizer.json."""

    def __init__(self, file, family, config, table=None, **options):
        self.file, self.family, self.config, self.table, self.options = file, family, config, table, options

    def save_pretrained(self, folder):
        import io, tempfile, sentencepiece
        from sentencepiece import sentencepiece_model_pb2
        folder.mkdir(exist_ok=True)
        model = io.BytesIO()
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
            rules.write(self.table or "")
            rules.flush()
            table = {"normalization_rule_tsv": rules.name} if self.table else {}
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(SENTENCES), model_writer=model, hard_vocab_limit=False, minloglevel=2, **table,
                **{"vocab_size": 150, **self.options})
        proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
        if not self.table:
            proto.normalizer_spec.ClearField("precompiled_charsmap")  # large, and DeBERTa's class does not read it
        (folder / self.file).write_bytes(proto.SerializeToString())
        (folder / "tokenizer_config.json").write_text(json.dumps(self.config))
        (folder / "config.json").write_text(json.dumps({"model_type": self.family}))


class VocabularyFolder:
    """A folder that has the files of a vocabulary, and no tokenizer.json."""

    def __init__(self, model_type, config, vocabulary, merges=None):
        self.model_type, self.config, self.vocabulary, self.merges = model_type, config, vocabulary, merges

    def save_pretrained(self, folder):
        folder.mkdir(exist_ok=True)
        if self.merges is None:
            (folder / "vocab.txt").write_text("".join(word + "\n" for word in sorted(self.vocabulary, key=self.vocabulary.get)))
        else:
            (folder / "vocab.json").write_text(json.dumps(self.vocabulary))
            (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in self.merges))
        (folder / "tokenizer_config.json").write_text(json.dumps(self.config))
        (folder / "config.json").write_text(json.dumps({"model_type": self.model_type}))


def byte_pairs(specials, model_type, config):
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    model = json.loads(trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)).to_str())["model"]
    return VocabularyFolder(model_type, config, model["vocab"], model["merges"])


# A few of the rules that sentencepiece has by the thousand.
TABLE = "FB01\t66 69\nA0\t20\n9\t20\nA\t20\n65 301\tE9\nFF21\t41\n"
FAMILIES = {
    # What DeBERTa-v3's folders have: a file without [MASK].
    "deberta_spm": lambda: SentencePieceFolder(
        "spm.model", "deberta-v2", {"do_lower_case": False, "vocab_type": "spm"}, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", user_defined_symbols=["\u201cand\u201d"]),
    "xlm_roberta_spm": lambda: SentencePieceFolder("sentencepiece.bpe.model", "xlm-roberta", {"model_max_length": 512}, TABLE),
    "camembert_spm": lambda: SentencePieceFolder("sentencepiece.bpe.model", "camembert", {}, TABLE),
    "albert_spm": lambda: SentencePieceFolder(
        "spiece.model", "albert", {"do_lower_case": True, "keep_accents": False}, TABLE, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"], user_defined_symbols=["\u201cand\u201d"]),
    "llama_spm": lambda: SentencePieceFolder(
        "tokenizer.model", "llama", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": True},
        model_type="bpe", vocab_size=420, byte_fallback=True, character_coverage=0.98),
    "mpnet_words": lambda: VocabularyFolder("mpnet", {}, word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], "[UNK]")),
    "roberta_files": lambda: byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "roberta", {}),
    "gpt_neox_files": lambda: byte_pairs(["<|endoftext|>"], "gpt_neox", {"add_bos_token": True}),
    "deberta": lambda: tf.DebertaV2Tokenizer(vocab=unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[UNK]"), do_lower_case=True, split_by_punct=True),
    "xlm_roberta": lambda: tf.XLMRobertaTokenizer(vocab=unigram(["<s>", "<pad>", "</s>", "<unk>"], "<unk>", normalizers.NFKC()) + [("<mask>", 0.0)]),
    "camembert": lambda: tf.CamembertTokenizer(vocab=unigram(["<s>", "<pad>", "</s>", "<unk>"], "<unk>") + [("<mask>", 0.0)], additional_special_tokens=[]),
    "albert": lambda: tf.AlbertTokenizer(vocab=unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>", normalizers.Lowercase())),
    "electra": lambda: tf.ElectraTokenizer(vocab=word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "[UNK]")),
    "mpnet": lambda: tf.MPNetTokenizer(vocab=word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], "[UNK]")),
    "modernbert": modernbert,
}
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/tokenizers"
for family, make in FAMILIES.items():
    if sys.argv[1:] and family not in sys.argv[1:]:
        continue
    folder = root / family
    make().save_pretrained(folder)
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)  # what the folder gives counts
    rows = []
    for text, pair in [(t, None) for t in TEXTS] + PAIRS:
        # As a batch of one: alone, Transformers takes a second text without characters for none.
        e = tokenizer([text], None if pair is None else [pair], return_token_type_ids=True, return_offsets_mapping=True)
        rows.append({"text": text, **({} if pair is None else {"pair": pair}), "ids": e["input_ids"][0], "type_ids": e["token_type_ids"][0],
                     "offsets": [list(o) for o in e["offset_mapping"][0]]})
    if family not in ("modernbert", "roberta_files", "gpt_neox_files"):  # ours puts a space before each word, as in running text
        for words in WORDS:
            e = tokenizer(words, is_split_into_words=True)
            rows.append({"words": words, "ids": e["input_ids"], "word_ids": [-1 if w is None else w for w in e.word_ids()]})
    goldens.write_json(folder / "golden.json", rows)
    if family not in ("electra", "modernbert"):  # whose files other tests read as they are
        for file in [*folder.glob("tokenizer.json"), *folder.glob("*.model"), *folder.glob("vocab.json"), *folder.glob("vocab.txt"), *folder.glob("merges.txt")]:
            goldens.write(file, file.read_bytes())
            file.unlink()
    print(family, type(tokenizer).__name__, len(tokenizer), sum(f.stat().st_size for f in folder.iterdir()))
