"""Texts, normalizers, pre-tokenizers and added tokens that a tokenizer gets wrong. Fixed: no randomness of today's."""
import random

from tokenizers import AddedToken, normalizers, pre_tokenizers

WRITTEN = [
    "", " ", "\t\n\r ", "\u00a0\u2003\u3000", "a", "Hello, world!", "unaffable", "UNAFFABLE", "  two  spaces  ",
    "don't won't can't I'm we've they're it's", "e-mail: foo.bar@example.com, http://www.example.com/a?b=c&d=%20",
    "d\u00e9j\u00e0 vu, na\u00efve caf\u00e9 \u00e0 la cr\u00e8me br\u00fbl\u00e9e", "de\u0301ja\u0300 vu, nai\u0308ve cafe\u0301",
    "\u00c5ngstr\u00f6m \u212bngstr\u00f6m A\u030angstro\u0308m", "a\u0301\u0316\u0327b a\u0327\u0316\u0301b a\u0301\u0301\u0301\u0301b",
    "\u0301 leading mark", "\u0301\u0302\u0303", "x\u0301", "\u0344x \u0f73 \u0f75 \u0f81", "q\u0307\u0323 q\u0323\u0307",
    "I\u0307stanbul \u0130STANBUL \u0131\u015f\u0131k ISPARTA i\u0307i", "Stra\u00dfe STRASSE \u1e9e", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3\u0391\u03a3 \u03a3",
    "\ufb01nance o\ufb03ce \ufb00 \ufb05 \u0133 \u01c6 \u01c4 \u01c5", "\u2460\u2461 \u00bd \u00b2 \u2167 \u33a1 \ufdfa",
    "\uff28\uff45\uff4c\uff4c\uff4f\u3000\uff37\uff4f\uff52\uff4c\uff44\uff01", "\uff8a\uff9f\uff8b\uff9f \u30cf\u309a", "\u304b\u3099\u304d\u3099",
    "\u6211\u7231\u5317\u4eac\u5929\u5b89\u95e8\u3002", "Python\u6d4b\u8bd5abc\u4e2d\u6587 mixed\u6df7\u5408", "\uf900\uf907\ufa30 \u2f00\u2e80 \U0002f800\U00020000\U0002a6d6\U0002b740",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u116e\u11a8 \uac00\u11a8 \uac01", "\uac00\u11a7 \u1100\u1161\u11a7 \uac01\u11a8", "\u3131\u314f \u302e\uac00\u302f", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0915\u093c \u0958 \u09cb \u09c7\u09be", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645 \u064e\u0651\u0650",
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u202eabc\u202c \u2066def\u2069 \u200fghi", "\ufeffBOM \ufeff inside", "zero\u200bwidth\u200cjoin\u200der\u2060x",
    "soft\u00adhyphen so\u00adft", "nbsp\u00a0here\u202fthere", "un\U000f0000aff\U0010fffdable x\ue000yz", "control\u0000nul \u0001\u0002 \u007f \u0085 \u009f a\u000bb\u000cc",
    "\ufffd replacement \ufffd", "\ue000\uf8ff private \U000f0000\U0010fffd", "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2764\ufe0f \U0001f44d\U0001f3fd",
    "a\U0001f600b c\u2764\ufe0fd", "\U0001d400\U0001d401 \U0001d6fc \U0001d7d8", "\U00010400\U00010428 \U0001e900\U0001e922", "\U0001d15e \U0001d165\U0001d16e x\U0001d165\u0301",
    "\u0378\u0530\u2e7f\U0001ffff \ufdd0 \uffff \U0010ffff", "\u1c89\u1c8a \ua7cb\ua7dc \U00010d50 \U0001fbf5 \u32ff \U00011938",
    "x" * 100, "x" * 101, "a" * 99 + "\u00e9", "a" * 100 + "\u00e9", "\u00e9" * 100, "e\u0301" * 100, "e\u0301" * 101, "\uac00" * 40 + " " + "\uac00" * 30,
    "b" * 300 + " short", "\u200b" * 120 + "a", "a" + "\u200b" * 120 + "b", "[UNK]" * 30, "##ing ##", "# ## ###", "un##aff",
    "<r> sp <r>  sp x", "<r> sq y", "<r>  sq y sq", "[CLS] text [SEP]", "[MASK]", "[mask] [Mask]", "x[MASK]y", "[MASK][MASK]", "[ MASK ]", "[MASK", "MASK]", "[[MASK]]", "[CLS][SEP][PAD][UNK]",
    "a [MASK] b", " [MASK] ", "\u00e9[MASK]\u0301", "\u6211[MASK]\u7231", "tok1 tok1x xtok1 tok1, tok1", "Tok2 TOK2 tok2", "<l> x <l>  y", "a  <l>", "a <r>   b", "<r>  <l>", "<both>  <both> x <both>",
    "caf\u00e9s caf\u00e9 CAFE\u0301 cafe", "\u4e2d\u5fc3 \u4e2d\u5fc3x", "tok1\u00e9 tok1_ tok1-", "<long> <longer> <longest>", "<longeX", "one two three", "One Two three two",
    ".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~`", "\u00a1\u00bf\u00ab\u00bb\u2026\u2014\u2013\u201c\u201d\u2018\u2019\u3001\u3002\u300c\u300d", "\u00a9\u00ae\u2122\u20ac\u00a3\u00a5\u00b0\u00b1\u00d7\u00f7", "\u1fef\u037e\u0387 \u2126 \u212a", "\u2000\u2001\u1680\u180e\u2028\u2029x",
    "1,234.56 \u0661\u0662\u0663 \u0967 \u00b9\u00b2\u00b3", "a_b_c snake_case camelCase", "\u02bc \u02d8 \u00b4 \u00a8 \u1fbd", "\u0149 \u01f0 \u0390 \u1e96",
]


def texts(n=400):
    """The written texts and, up to n, mixtures of their parts."""
    out = list(WRITTEN)
    draw = random.Random(1234)
    pool = sorted({c for text in WRITTEN for c in text})
    words = sorted({word for text in WRITTEN for word in text.split(" ") if 0 < len(word) < 30})
    while len(out) < n:
        if len(out) % 2:
            out.append("".join(draw.choice(pool) for _ in range(draw.randint(1, 40))))
        else:
            out.append(draw.choice([" ", "", "\u0301", "\u3000"]).join(draw.choice(words) for _ in range(draw.randint(1, 12))))
    return out


def pairs():
    a, b, c = "The quick brown fox jumps over the lazy dog", "unaffable caf\u00e9", "\u6211\u7231\u5317\u4eac, it is [MASK] here today"
    return [(a, b), (b, a), (a, c), (c, c), ("", a), (a, ""), ("", ""), (b, b)]


def added():
    return [AddedToken("tok1", single_word=True, normalized=False), AddedToken("tok2", normalized=True),
            AddedToken("<l>", lstrip=True, normalized=False), AddedToken("<r>", rstrip=True, normalized=False),
            AddedToken("<both>", lstrip=True, rstrip=True, normalized=True, special=True),
            AddedToken("caf\u00e9", single_word=True, normalized=True), AddedToken("\u4e2d\u5fc3", normalized=False),
            AddedToken("<long>", normalized=False), AddedToken("<longe", normalized=False), AddedToken("<longer>", normalized=False),
            AddedToken("two", normalized=True, lstrip=True), AddedToken("\u0301x", normalized=False),
            AddedToken(" sp", lstrip=True, normalized=False), AddedToken(" sq", normalized=False)]


NORMALIZERS = {
    "none": None, "NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD(),
    "Lowercase": normalizers.Lowercase(), "StripAccents": normalizers.StripAccents(), "Strip": normalizers.Strip(),
    "Strip left": normalizers.Strip(left=True, right=False), "Strip right": normalizers.Strip(left=False, right=True),
    "Replace longer": normalizers.Replace("a", "<a>"), "Replace shorter": normalizers.Replace("tok", "t"),
    "Replace nothing": normalizers.Replace("e", ""), "Replace same": normalizers.Replace(" ", "_"),
    "Sequence": normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(),
                                      normalizers.Replace("x", "yy"), normalizers.NFKC(), normalizers.Strip()]),
    "Sequence of Sequence": normalizers.Sequence([normalizers.Sequence([normalizers.NFKC()]), normalizers.BertNormalizer()]),
}

PRE_TOKENIZERS = {
    "Whitespace": pre_tokenizers.Whitespace(), "WhitespaceSplit": pre_tokenizers.WhitespaceSplit(),
    "Punctuation": pre_tokenizers.Punctuation(), "Punctuation removed": pre_tokenizers.Punctuation("removed"),
    "Punctuation merged_with_previous": pre_tokenizers.Punctuation("merged_with_previous"),
    "Punctuation merged_with_next": pre_tokenizers.Punctuation("merged_with_next"),
    "Punctuation contiguous": pre_tokenizers.Punctuation("contiguous"),
    "CharDelimiterSplit": pre_tokenizers.CharDelimiterSplit("e"),
    "Sequence": pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
                                         pre_tokenizers.CharDelimiterSplit("x")]),
}
