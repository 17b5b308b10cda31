"""Texts that fit in one SMS (3GPP TS 23.038): 160 characters of the GSM alphabet, or 70 where one is not in it.

What the alphabet lacks is written without its accents where that is possible. What is too long loses what is needed
least: the link first, then what explains, then the ends of long names. Who, where and when always stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

GSM_ROOM: Final = 160
UCS2_ROOM: Final = 70
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€")  # two characters each
_LIKE: Final = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
    "\u00bb": '"', "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u2026": "...", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u0142": "l", "\u0141": "L", "\u0111": "d",
    "\u0110": "D", "\u0131": "i", "\u00f0": "d", "\u00d0": "D", "\u00fe": "th", "\u00de": "Th", "\u0153": "oe",
    "\u0152": "OE", "\u00b0": " ", "`": "'",
}  # fmt: skip
# What is given up, in this order, and how much of it stays at least.
_GIVEN_UP: Final = (
    ("link", 0),
    ("detail", 0),
    ("place", 0),
    ("rule", 0),
    ("watchlist", 0),
    ("zone", 0),
    ("where", 12),
    ("who", 12),
)


def gsm(text: str) -> str:
    """The text in the GSM alphabet, as far as that has something like it."""
    return "".join(_like(character) for character in text)


def fits(text: str) -> bool:
    """Whether it goes as one SMS."""
    return _size(text) <= _room(text)


def fit(render: Callable[[Mapping[str, str]], str], values: Mapping[str, str]) -> str:
    """What `render` makes of the values, with as little given up as makes it fit in one SMS."""
    left = {name: gsm(value) for name, value in values.items()}
    for name, least in _GIVEN_UP:
        text = gsm(render(left))
        if fits(text):
            return text
        left[name] = shortened(left.get(name, ""), _size(text) - _room(text), least)
    return cut(gsm(render(left)))


def shortened(value: str, over: int, least: int) -> str:
    """The value without so many characters at its end, but for `least` that stay; all of it where none need stay."""
    if not least or not value:
        return ""
    keep = max(least, len(value) - over - 2)
    return value if keep >= len(value) else value[:keep].rstrip() + ".."


def cut(text: str) -> str:
    """As much of the text as fits."""
    if fits(text):
        return text
    while text and not fits(text + ".."):
        text = text[:-1]
    return text.rstrip() + ".."


def tidy(text: str) -> str:
    """One line, without what is left around something empty."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(?:\s*[,;:(-])+(?=\s*[.)]|\s*$)|\(\s*\)", "", text)
    return re.sub(r"\s+([,.;:)])", r"\1", text).strip()


def _like(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    if character in _LIKE:
        return _LIKE[character]
    plain = "".join(one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
    return plain if plain and all(one in _BASIC or one in _EXTENDED for one in plain) else character


def _is_gsm(text: str) -> bool:
    return all(one in _BASIC or one in _EXTENDED for one in text)


def _room(text: str) -> int:
    return GSM_ROOM if _is_gsm(text) else UCS2_ROOM


def _size(text: str) -> int:
    """In what an SMS counts: septets, or 16-bit units."""
    if _is_gsm(text):
        return sum(2 if one in _EXTENDED else 1 for one in text)
    return len(text.encode("utf-16-be")) // 2
