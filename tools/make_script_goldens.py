#!/usr/bin/env python3
"""Writes src/test/resources/tokenizers/scripts: what Transformers makes of texts in many scripts and of texts that are hard to
take apart, with small tokenizers of each kind that are trained on the sentences below, and with whole ones.

    tools/make_script_goldens.py FOLDER...

FOLDER...: folders of whole tokenizers (their names are kept); only their ids are written. Needs transformers, tokenizers,
sentencepiece and protobuf."""
import json, pathlib, sys, tempfile, unicodedata
import sentencepiece
import transformers as tf
import goldens
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = """the cat sleeps in the sun, and the dog waits for the rain to end
le garçon a reçu une lettre où l'été paraît déjà loin; l'œuvre naïve
Ve středu ráno přijel první vlak a na nádraží nikdo nečekal
Trời hôm nay mưa to, chúng tôi ở nhà nấu phở và nghe nhạc
İstanbul'da yağmur yağarken Iğdır'da güneş açtı
Die Größe der Straße: STRASSE oder STRAẞE, im Café über der Brücke
Η γάτα κοιμάται στον ήλιο, ενώ ο Οδυσσέας γράφει γράμματα
Ежик вышел из тумана и увидел белую лошадь. Всё ещё идёт дождь
У неділю ми їздили до Львова й пили ґалицьку каву
Қазақстанда қыс ұзақ әрі суық болады
القطة نائمة تحت الشجرة والكلب ينتظر المطر
القِطَّةُ نائِمَةٌ تَحْتَ الشَّجَرَةِ
می\u200cخواهم کتاب\u200cها را در کتابخانه بخوانم
آج موسم بہت اچھا ہے، ہم باغ میں جا رہے ہیں۔
החתול ישן על הספה, והכלב מחכה מחוץ לבית
שָׁלוֹם לְכֻלָּם
आज मौसम बहुत अच्छा है, चलो बाज़ार चलते हैं। क्षत्रिय ज्ञान श्री
আজ সকালে খুব বৃষ্টি হয়েছে, তাই স্কুল বন্ধ।
இன்று மழை பெய்கிறது, நாங்கள் வீட்டில் இருக்கிறோம்.
నేను ఈ రోజు తెలుగు పుస్తకం చదువుతున్నాను
อากาศวันนี้ดีมาก เราไปเดินเล่นที่สวนกันเถอะ น้ำใจ
ថ្ងៃនេះមេឃភ្លៀងខ្លាំង យើងនៅផ្ទះ។
ဒီနေ့ မိုးရွာနေတယ်။ ကျွန်တော်တို့ အိမ်မှာ ရှိတယ်။
བཀྲ་ཤིས་བདེ་ལེགས། བོད་སྐད་ཀྱི་ཚིག
დღეს კარგი ამინდია, წავიდეთ ბაღში
Այսօր եղանակը լավ է, եկեք գնանք այգի։ և
ዛሬ ዝናብ እየዘነበ ነው፣ ቤት እንቀመጥ።
오늘은 비가 와서 집에서 책을 읽었습니다. 한국어
ことばは、カタカナでもひらがなでも書けます。パンとコーヒー
他在上海住了十年，還是不會說上海話。今天下雨，我們在家看書
😀 👍🏽 👩\u200d👩\u200d👧 ❤️ 🇩🇪""".split("\n")

HARD = [
    # one letter in several spellings; marks in either order; marks with nothing below them
    "caf\u00e9 cafe\u0301 cafe\u034f\u0301 CAFE\u0301", "a\u0323\u0302 a\u0302\u0323 \u1ead", "\u0301a \u0308", "\u212b \u00c5 A\u030a \u212a", "Z\u0351\u036b\u0343a\u0334\u0321l\u0335g\u0336o\u0337",
    "\u1eb8 k\u00e1\u00e0\u00e1r\u1ecd\u0300, \u1e63\u00e9 d\u00e1ad\u00e1a ni?", "i\u0307 \u0130 \u0131 I", "\u01c6 \u01c5 \u01c4 \u0149 \ufb01n \ufb03 \ufb05", "stra\u00dfe STRA\u1e9eE",
    "\u1f18\u03bd \u1f00\u03c1\u03c7\u1fc7 \u1f26\u03bd \u1f41 \u03bb\u03cc\u03b3\u03bf\u03c2", "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 \u03a3\u0391\u03a3.", "\u0401\u0436 \u0415\u0308\u0436 \u0419 \u0418\u0306",
    # Arabic and Hebrew: presentation forms, tatweel, digits, marks of direction
    "\ufefb \ufdfa \ufedf\ufe8e \u0640\u0640\u0640", "\u0661\u0662\u0663\u066b\u0664 \u06f1\u06f2\u06f3 \u0967\u0968\u0969", "\ufb2a \u05e9\u05c1 \u05d9\u05b4", "\u200f\u05e9\u05dc\u05d5\u05dd\u200e abc \u202e\u05d0\u05d1\u202c \u2067x\u2069",
    "ak\u0131l\u202b\u0627\u0644\u0642\u0637\u0629\u202c", "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \u0643\u062a\u0627\u0628\u200d\u0647",
    # scripts of India and beyond: joiners, nukta in two spellings, two-part vowels
    "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937 \u0915\u094d\u0937", "\u095b \u091c\u093c \u0929 \u0928\u093c", "\u09cb \u09c7\u09be \u09df\u09be", "\u0bca \u0bc6\u0bbe \u0b95\u0bcd\u0bb7", "\u0e19\u0e49\u0e33 \u0e19\u0e4d\u0e49\u0e32 \u0e40\u0e01\u0e4d\u0e32",
    "\u17d2\u1780 \u1780\u17d2\u179a\u17bb\u1784", "\u1000\u103b\u103d\u1014\u103a\u1010\u1031\u102c\u103a", "\u0f69 \u0f40\u0fb5 \u0f73 \u0f0b\u0f0c", "\u10d7\u10d1\u10d8\u10da\u10d8\u10e1\u10d8 \u1c97\u1c91\u1c98\u1c9a\u1c98\u1ca1\u1c98 \u10a0", "\u0587 \u0535\u0552 \ufb13",
    "\u1217\u122a\u1361\u1230\u120b\u121d", "\u182e\u1823\u1829\u182d\u1823\u182f \u182a\u1822\u1834\u1822\u182d", "\u13e3\u13b3\u13a9 \uabb3", "\U00010414\U0001042f \U0001e900\U0001e922",
    # Hangul composed, in letters, compatible, half as wide
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", "\u314b\u314b\u314b \u3160\u3160 \uffa1\uffc2", "\uac01 \uac00\u11a8 \u1100\u1161 \u11a8",
    # Kana and Han: half and full width, marks apart, compatible, beyond 16 bits, variants
    "\uff76\uff9e\uff77\uff9e \uff8a\uff9f\uff9d \uff70", "\u304c \u304b\u3099 \u309b\u3071", "\u3071 \u30cf\u309a\u30f3 \u30ff \u3031", "\uff26\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48\uff01\uff11\uff12\uff13", "\u300c\u6771\u4eac\u300d\u3001\u3002\u301c\u2026\u2014\u30fb",
    "\U00020bb7\u91ce\u5bb6 \U0002a6b2\U00030000", "\ufa11 \uf900 \u2f08 \u2e81 \u3007", "\u845b\U000e0100\u98fe\ufe00", "\u4e0a\u6d77abc\u4e2d\u6587123\u5e74", "\u337f \u33a5 \u3392 \u2460 \u32ff", "\u4eca\u5929,\u4eca\u5929\uff0c\u4eca\u5929",
    # emoji: joined, coloured, flags, keycaps, text style, tags
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466!", "\U0001f3f3\ufe0f\u200d\U0001f308 \U0001f44d\U0001f3fd\U0001f44d", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7\U0001f1e9", "1\ufe0f\u20e3 #\ufe0f\u20e3 \u263a\ufe0e\u263a\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "x\U0001fae0\U0001f600y", "\u2764 \u2764\ufe0f\u200d\U0001f525",
    # look-alikes of letters and digits
    "\U0001d4d7\U0001d4ee\U0001d4f5\U0001d4f5\U0001d4f8 \U0001d7d9\U0001d7da", "x\u00b2 + y\u00b3 \u2260 \u00bd \u2167 \u2122 \u2116", "p\u0430ypal \u0391BC \u0421CCP", "\u24d0\u24d1 \u1d2c \u02b0 \u2c7c",
    # what is not seen
    "a\u200bb\u200cc\u200dd\ufeffe\u2060f", "\ufeffthe cat", "Schiff\u00adfahrt", "a\u0000b\u0001c\u0007d\u001be\u007ff\u0085g\u009fh", "a\tb\nc\rd\r\ne\u000bf\u000cg", "a\u2028b\u2029c\u001cd\u001de\u001ef\u001fg", "10\u00a0000\u202f\u20ac", "\u2000a\u2003b\u2009c\u200ad\u205fe\u3000f\u1680g\u180eh",
    "\u00a0", "\u200b", "\u3000", "\u0000", "\ufe0f", "   ", "\n\n  \n", " \u00a0 a \u00a0 ", "the  cat   sleeps    ", "\u115f\u3164\uffa0", "\u061c\u2066\u2069",
    # at the ends of Unicode
    "\ue000\uf8ff \U000f0000 \U0010fffd", "\ufffd \ufffc \ufffe\uffff \U0001ffff \U0010ffff", "\ufdd0 \U000e0001", "\u0378 \U0001f9ff\U0001fbff",
    # what tokenizers use themselves, and their special tokens
    "\u2581the \u2581\u2581cat", "##a ##\u3042", "\u0120the \u010a \u0100", "<0x0A> <0xE3>", "<s>the cat</s>", "[CLS]\u4e0a\u6d77[SEP][MASK]\u6d77[PAD]", "<|endoftext|>\u732b<|endoftext|>", "<unk>[UNK]",
    # punctuation of all the world; words too long for WordPiece
    "\u00bfQu\u00e9? \u00a1No! \u00abnon\u00bb \u201cja\u201d \u2018x\u2019 \u201enein\u201c", "\u060c \u061b \u061f \u06d4 \u0964 \u0965 \u104a \u17d4 \u0589 \u1362 \u3002 \uff61", "don't l'\u00e9t\u00e9 o\u2019clock \u02bbokina", "1,234.56 1\u2009234,56 \u0661\u066c\u0662", "a_b-c\u2010d\u2011e\u2013f\u2014g\u2212h",
    "\u20ac\u00a3\u20b9\u20bf\u00a5\uffe5 $+<=>^`|~", "https://\u4f8b\u3048.jp/\u00fc?q=\u00e9#\u0444", "x" * 101, "e\u0301" * 60, "\u0e01" * 101, "\U0001f600" * 3 + "\U0001f600 " * 3, "",
]
TEXTS = SENTENCES + HARD
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BYTES = [f"<0x{i:02X}>" for i in range(256)]


def trained(model, trainer, pre_tokenizer, normalizer=None):
    tokenizer = Tokenizer(model)
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def framed(tokenizer, single, pair, specials):
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(s, tokenizer.token_to_id(s)) for s in specials])
    return tokenizer


def word_pieces(**normalizer):
    t = trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=1150, special_tokens=BERT, show_progress=False),
                pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(**normalizer))
    t.decoder = decoders.WordPiece()
    return framed(t, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", ["[CLS]", "[SEP]"])


def rules():
    """Those of nmt_nfkc for the characters that occur here: a table of all of them has 240 KB."""
    out = {}
    for text in TEXTS:
        for i, c in enumerate(text):
            name = unicodedata.category(c)
            if c in "\t\n\r\u200b\ufeff\u2028\u2029\u200e\u200f" or name == "Zs":
                out[c] = " "
            elif name == "Cc" and c != "\0":
                out[c] = ""
            elif unicodedata.normalize("NFKC", c) != c:
                out[c] = unicodedata.normalize("NFKC", c)
            for length in (2, 3):
                part = text[i:i + length]
                whole = unicodedata.normalize("NFKC", part)
                if len(part) == length and len(whole) == 1 and whole != part:
                    out[part] = whole
    return {a: b for a, b in out.items() if a != b}


def charsmap():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        table = "".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in sorted(rules().items()))
        (folder / "rules.tsv").write_text(table)
        (folder / "text.txt").write_text("\n".join(SENTENCES))
        sentencepiece.SentencePieceTrainer.train(input=str(folder / "text.txt"), model_prefix=str(folder / "m"), vocab_size=760, hard_vocab_limit=False,
                                                 normalization_rule_tsv=str(folder / "rules.tsv"), character_coverage=1.0, minloglevel=2)
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((folder / "m.model").read_bytes())
        return model.normalizer_spec.precompiled_charsmap


def unigram(bytes_too):
    specials = ["<s>", "<pad>", "</s>", "<unk>"] + (BYTES if bytes_too else [])
    trainer = trainers.UnigramTrainer(vocab_size=1000 + len(specials), special_tokens=specials, unk_token="<unk>", show_progress=False)
    first = trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normalizers.Precompiled(charsmap()))
    vocab = [(piece, round(score, 3)) for piece, score in json.loads(first.to_str())["model"]["vocab"]]
    t = Tokenizer(models.Unigram(vocab + [("<mask>", 0.0)], unk_id=3, byte_fallback=bytes_too))
    t.normalizer = normalizers.Sequence([first.normalizer, normalizers.Replace("  ", " ")]) if bytes_too else first.normalizer
    t.pre_tokenizer = pre_tokenizers.Metaspace() if bytes_too else pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]) if bytes_too else decoders.Metaspace()
    t.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return framed(t, "<s> $A </s>", "<s> $A </s> </s> $B </s>", ["<s>", "</s>"])


def byte_level():
    t = trained(models.BPE(), trainers.BpeTrainer(vocab_size=700, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False), pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.decoder = decoders.ByteLevel()
    return t


def sentencepiece_bpe():
    specials = ["<unk>", "<s>", "</s>"]
    t = trained(models.BPE(), trainers.BpeTrainer(vocab_size=1300, limit_alphabet=500, special_tokens=specials + BYTES, show_progress=False),
                pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    state = json.loads(t.to_str())
    state["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    state["added_tokens"] = state["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(state))
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)])
    return framed(t, "<s> $A", "<s> $A <s>:1 $B:1", ["<s>"])


FILES = {"wordpiece": word_pieces(lowercase=True), "wordpiece_cased": word_pieces(lowercase=False), "unigram": unigram(False),
         "unigram_bytes": unigram(True), "byte_level": byte_level(), "sentencepiece_bpe": sentencepiece_bpe()}
CASES = [  # file, model type, tokenizer_config.json
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer"}),
    ("wordpiece", "bert", {"tokenizer_class": "BertTokenizer", "strip_accents": False}),
    ("wordpiece_cased", "bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}),
    ("wordpiece_cased", "bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "tokenize_chinese_chars": False}),
    ("unigram", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}),
    ("unigram_bytes", "llama", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ("byte_level", "gpt2", {"tokenizer_class": "GPT2Tokenizer"}),
    ("byte_level", "qwen2", {"tokenizer_class": "Qwen2Tokenizer"}),
    ("sentencepiece_bpe", "llama", {"tokenizer_class": "LlamaTokenizer"}),
]
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/tokenizers/scripts"
target.mkdir(parents=True, exist_ok=True)
for name, tokenizer in FILES.items():
    goldens.write(target / f"{name}.json", tokenizer.to_str(pretty=False).encode())
cases = []
for name, model_type, config in CASES:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "tokenizer.json").write_text(FILES[name].to_str())
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = tf.AutoTokenizer.from_pretrained(folder)
        rows = []
        for text in TEXTS:
            e = tokenizer(text, return_offsets_mapping=True)
            rows.append({"ids": e["input_ids"], "offsets": [end for span in e["offset_mapping"] for end in span],
                         "decoded": tokenizer.decode(e["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False)})
        unknown = sum(row["ids"].count(tokenizer.unk_token_id) for row in rows) if tokenizer.unk_token_id is not None else 0
        print(name, type(tokenizer).__name__, len(tokenizer), "tokens", sum(len(row["ids"]) for row in rows), "unknown", unknown)
        cases.append({"file": name, "model_type": model_type, "tokenizer_config": config, "rows": rows})
whole = {}
for folder in map(pathlib.Path, sys.argv[1:]):
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    whole[folder.name] = [tokenizer(text)["input_ids"] for text in TEXTS]
goldens.write_json(target / "goldens.json", {"texts": TEXTS, "cases": cases, "whole": whole}, separators=(",", ":"))
for file in sorted(target.iterdir()):
    print(file.name, file.stat().st_size)
