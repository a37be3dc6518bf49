"""Names in any character set, declared, misdeclared or not declared at all.

A DICOM file states the character set of its texts, and planning systems state it wrongly: Chinese
names in GBK inside a file that says Latin-1 are the rule rather than the exception. What the file
states is believed as long as the result reads like text; else the bytes are tried in the sets such
systems write, and the repaired name comes back with the name as declared.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.charset import decode_bytes, python_encoding

_ESCAPE = 0x1B
_RESETS = {0x5C, 0x0D, 0x0A}  # characters that switch back to the first set
_TO_SPACE = bytes.maketrans(b"\t\n\v\f\r", b"     ")  # a name is one line
_UNDECLARED = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_LATIN = frozenset({"ISO_IR 100", "ISO 2022 IR 100"}) | _UNDECLARED

_CJK_SETS = ("gb18030", "cp932", "cp949", "big5")
"""Sets tried on bytes that do not read as declared; the first wins a draw."""

_ANATOMY = (
    "靶区脊髓骨骼体表轮廓心脏肺左右肝肾胃肠膀胱直结皮肤主动静脉血管食气神经脑干晶眼视胰脾腺淋巴"
    "计划肿瘤椎管腔全外危及器官大上下颈胸腰前列子宫头腮乳腹盆肌针道环重要床外照射临床转移灶"
    "輪廓區脊臟腎腸膚動靜脈氣經腦視胰腺劃腫管體計畫靶縱隔"
    "標的臓器腫瘍骨皮膚輪郭体全脊柱髄直腸肝腎臓脳大動脈計画危険胃左右肺心臓膀胱"
    "ァアイウエオカキクケコサシスセソタチツテトナニノハヒフヘホマミムメモヤユヨラリルレロワンガギグゲゴダ"
    "デドバビブベボパピプペポッャュョーのをに"
    "척수심장폐간신장방광직장좌우측뼈피부대동정맥식도위종양표적체윤곽뇌골기관지소대장혈척추몸외왼쪽오른"
)
"""Characters that ROI names are made of in Chinese, Japanese and Korean."""

_DOUBLE_ACCENTS = re.compile(
    r"[äöå]{2,3}|[äöü]ß|ß[äöü]|ç[ãõáàâéêèíóôúöüıä]|éé|éè|ñ[áéíóú]|ü[éêíáèç]|ïé|[ôöøåæ][éè]|œ[éè]"
)
"""Two accented letters in a row, as Western European words have them."""

_SIGN_AFTER = {"°": r"[\d ]", "²": r"[\w)]", "³": r"[\w)]", "µ": r"(?:^|[\d \-_(])", "±": r".?"}
"""Latin-1 signs that occur in names, with what may stand before them."""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text, and the name as the declared character set has it where that is not the same."""

    text: str
    declared_reading: str | None = None  # None: read as declared, nothing to say

    @property
    def repaired(self) -> bool:
        """Whether the declared character set was set aside."""
        return self.declared_reading is not None


def decode_text(raw: bytes, declared: Sequence[str]) -> DecodedText:
    r"""Decode the bytes of one DICOM text value.

    Parameters
    ----------
    raw : bytes
        The value as it stands in the file.
    declared : sequence of str
        Specific Character Set (0008,0005), value by value; empty when the file has none.

    Returns
    -------
    DecodedText
        The text, stripped of padding, with the declared reading when the text was repaired.

    Examples
    --------
    >>> decode_text("Rückenmark".encode("latin-1"), ["ISO_IR 100"])
    DecodedText(text='Rückenmark', declared_reading=None)
    >>> decode_text("靶区".encode("gbk"), ["ISO_IR 100"])
    DecodedText(text='靶区', declared_reading='°ÐÇø')
    """
    raw = raw.translate(_TO_SPACE).strip(b" \0")
    if raw.isascii() and _ESCAPE not in raw:
        return DecodedText(raw.decode("ascii"))
    terms = [term.strip().upper() for term in declared] or [""]
    reading = _as_declared(raw, terms)
    text = _repaired(raw, terms, reading)
    if reading is None:
        return DecodedText(text, raw.decode("latin-1"))
    return DecodedText(text, None if text == reading else reading)


def _as_declared(raw: bytes, terms: Sequence[str]) -> str | None:
    """Read with the declared set; None where the bytes are not of that set, or it is unknown."""
    if any(term not in python_encoding for term in terms):
        return None
    encodings = [python_encoding[term] for term in terms]
    try:
        if _ESCAPE not in raw:
            return raw.decode(encodings[0]).strip()
        text = _decode_escapes(raw, encodings)
    except (UnicodeError, LookupError):
        return None
    return None if "\ufffd" in text or "\x1b" in text else text.strip()


def _repaired(raw: bytes, terms: Sequence[str], reading: str | None) -> str:
    """Choose the best reading: the declared one unless another is clearly right."""
    if _ESCAPE in raw:
        return reading if reading is not None else _with_escapes(raw)
    latin = terms[0] in _LATIN
    utf8 = _try(raw, "utf-8")
    if utf8 is not None and (reading is None or latin or _is_cjk(utf8) or _single_byte(terms[0])):
        if len(raw) > 2 or _east_asian(raw, least_share=0.5) is None:
            return utf8  # more than two bytes of another set are not valid UTF-8 by accident
    if reading is not None and not latin:
        return reading
    western = _try(raw, "cp1252") or raw.decode("latin-1")
    if _reads_western(western):
        return western
    clearly = _east_asian(raw, least_share=0.5)
    return clearly or _cyrillic(raw) or _any_han(raw) or _east_asian(raw) or utf8 or western


def _single_byte(term: str) -> bool:
    encoding = python_encoding.get(term, "")
    return encoding.startswith(("iso8859", "iso_ir_", "latin")) and encoding != "iso_ir_58"


def _try(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding).strip()
    except UnicodeError:
        return None


def _with_escapes(raw: bytes) -> str:
    """Read bytes that switch sets by ISO 2022 escapes which the file does not declare."""
    every = [name for term, name in python_encoding.items() if term.startswith("ISO 2022 IR")]
    try:
        return _decode_escapes(raw, ["latin_1", *every]).strip()
    except (UnicodeError, LookupError):
        return raw.decode("latin-1")


def _decode_escapes(raw: bytes, encodings: Sequence[str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be read is found by its replacement marks
        text: str = decode_bytes(raw, encodings, _RESETS)
    return text


def _is_cjk(text: str) -> bool:
    """Whether every character beyond ASCII is East Asian, and there is one."""
    return any(ord(c) > 127 for c in text) and all(
        ord(c) < 128
        or unicodedata.name(c, "").startswith(
            ("CJK", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE", "FULLWIDTH", "IDEOGRAPHIC")
        )
        for c in text
    )


def _reads_western(text: str) -> bool:
    """Whether a Latin-1 or Windows-1252 reading looks like a Western European name."""
    for index, char in enumerate(text):
        if ord(char) < 128 or (char.isalpha() and char not in "ªºµ"):
            continue
        if char in "‘’“”–—…\u00a0":
            continue
        before = text[index - 1] if index else ""
        if char not in _SIGN_AFTER or not re.fullmatch(_SIGN_AFTER[char], before):
            return False
    return all(_western_word(word) for word in re.findall(r"[^\W\d_]+", text))


def _western_word(word: str) -> bool:
    accented = [c for c in word if ord(c) > 127]
    plain = len(word) - len(accented)
    if not accented or len(word) == 1:
        return True
    if not (word.islower() or word.isupper() or word[1:].islower() or word[-1:].isascii()):
        return False
    runs = re.findall(r"[^\x00-\x7f]{2,}", word.lower())
    return plain >= len(accented) and all(_DOUBLE_ACCENTS.fullmatch(run) for run in runs)


def _east_asian(raw: bytes, least_share: float = 0.01) -> str | None:
    """Read in the East Asian set that gives the largest share of characters of ROI names."""
    best, best_share = None, 0.0
    for encoding in _CJK_SETS:
        text = _try(raw, encoding)
        if text is None or not _is_cjk(text):
            continue
        wide = [c for c in text if ord(c) > 127]
        share = sum(c in _ANATOMY for c in wide) / len(wide)
        if share > best_share and share >= least_share:
            best, best_share = text, share
    return best


def _cyrillic(raw: bytes) -> str | None:
    """Read as Windows-1251 if that gives words in Russian letters, cased as words are."""
    text = _try(raw, "cp1251")
    words = re.findall(r"[^\W\d_]+", text or "")
    russian = [word for word in words if re.search(r"[А-яЁё]", word)]
    regular = all(
        re.fullmatch(r"[А-ЯЁа-яё][а-яё]*|[А-ЯЁ]+", word) and len(word) > 2 for word in russian
    )
    return text if russian and regular and not re.search(r"[^\x00-\x7fА-яЁё]", text or "") else None


def _any_han(raw: bytes) -> str | None:
    """Read as GB18030 if every character is a common one (GB2312, first level)."""
    text = _try(raw, "gb18030")
    if text is None or not _is_cjk(text):
        return None
    wide = [c.encode("gb18030") for c in text if ord(c) > 127]
    common = all(len(c) == 2 and 0xA1 <= c[0] <= 0xD7 and c[1] >= 0xA1 for c in wide)
    return text if common else None
