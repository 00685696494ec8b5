"""Text for people: names of files as one printable line, whatever bytes they hold."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return text in which what cannot be printed or stored as UTF-8 is escaped.

    Bytes of a name that are not UTF-8 (surrogates, as `os.fsdecode` returns them) become `\xe4`; line breaks,
    other control characters and marks that turn the direction of text become `\n`, `\x1b`, `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
