"""Text as people write it, made plain: control characters, hashtags in their many notations, the language.

Belongs here: pure functions of a text. Does not belong here: where the text comes from.
"""

import json
import re

import polars as pl

UNKNOWN_LANGUAGE = "und"

_COMMAS = re.compile(r"[,，]")
_HASHTAG = re.compile(r"[#＃]([^#＃,，\s]+)")
_CODE = r"^([a-z]{2})(?:[-_].*)?$"

# Words that are common in English and hardly words of another language in Latin script.
_ENGLISH = (
    r"\b(?:the|and|of|to|is|was|were|are|be|been|this|that|these|those|with|for|from|it|its|not|have|has|had|what|when|where|"
    r"which|who|why|how|you|your|my|our|their|they|we|she|his|her|there|here|just|but|if|will|would|should|could|can|do|"
    r"does|did|don't|i'm|it's|about|after|all|any|at|by|into|new|or|out|so|than|then|up)\b"
)
# Words common in other such languages: German, French, Spanish, Portuguese, Italian, Dutch, Polish, Turkish, Indonesian.
_FOREIGN = (
    r"\b(?:der|das|und|ist|nicht|ein|eine|mit|für|auf|auch|le|la|les|des|du|et|est|une|dans|pour|sur|pas|que|qui|el|los|las|"
    r"y|con|por|una|del|en|es|como|más|o|os|um|uma|não|com|para|il|che|per|sono|gli|het|een|van|niet|ik|nie|się|na|jest|"
    r"bir|ve|için|bu|yang|dan|untuk|dengan|ini|di|de)\b"
)


def clean(text: pl.Expr) -> pl.Expr:
    """Control characters other than line ends and tabs stripped, white space around it trimmed; blank becomes null."""
    plain = text.str.replace_all("\r\n?", "\n").str.replace_all(r"[\p{Cc}--[\n\t]]", "").str.strip_chars()
    return pl.when(plain != "").then(plain)


def hashtags(written: str | None) -> str | None:
    """Tags in any usual notation as a JSON list: without the hash sign, each once, in their order; none gives null.

    A JSON list; a list in brackets, `[a, b]`; text with hash signs, `#a #b`; text with commas, `a, b`. Any other text
    is one tag: `science fiction` stays together, and so does `保健秘訣、食品安全`.
    """
    if written is None:
        return None
    text = written.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            listed = json.loads(text)
            parts = [str(p) for p in listed if p is not None and not isinstance(p, dict | list)]
        except ValueError:
            parts = [p.strip().strip("'\"") for p in _COMMAS.split(text[1:-1])]
    elif _HASHTAG.search(text):
        parts = _HASHTAG.findall(text)
    else:
        parts = _COMMAS.split(text)
    tags = (re.sub(r"[\x00-\x1f\x7f]", " ", p).strip().lstrip("#＃").strip() for p in parts)
    once = list(dict.fromkeys(t for t in tags if t))
    return json.dumps(once, ensure_ascii=False) if once else None


def language(said: pl.Expr, text: pl.Expr) -> pl.Expr:
    """The two-letter code that the source gives (`zh-TW` is `zh`), else a guess from the script of the text.

    Kana make Japanese (from a tenth of the letters: Chinese texts borrow single ones) and Hangul Korean (from a
    fifth); else ideographs make Chinese (from a fifth). Mostly Latin letters make English only if common English
    words are there and outnumber those of other languages: the script alone is no evidence. All else is `und`.
    """
    lower = text.str.to_lowercase().str.replace_all("’", "'")
    letters = text.str.count_matches(r"\p{L}")
    japanese = text.str.count_matches(r"[\p{Hiragana}\p{Katakana}]")
    korean = text.str.count_matches(r"\p{Hangul}")
    chinese = text.str.count_matches(r"\p{Han}")
    latin = text.str.count_matches(r"\p{Latin}")
    english, foreign = (lower.str.count_matches(words) for words in (_ENGLISH, _FOREIGN))
    guess = (
        pl.when(letters.fill_null(0) == 0).then(pl.lit(UNKNOWN_LANGUAGE))
        .when(japanese * 10 >= letters).then(pl.lit("ja"))
        .when(korean * 5 >= letters).then(pl.lit("ko"))
        .when(chinese * 5 >= letters).then(pl.lit("zh"))
        .when((latin * 10 >= letters * 8) & (english > foreign)).then(pl.lit("en"))
        .otherwise(pl.lit(UNKNOWN_LANGUAGE))
    )  # fmt: skip
    return said.str.strip_chars().str.to_lowercase().str.extract(_CODE, 1).fill_null(guess)
