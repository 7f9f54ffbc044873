"""Texts changed on purpose, for tests of what reads them."""


def edited(text: str, old: str, new: str) -> str:
    """Return `text` with the first `old` replaced; fail where there is none, for then nothing would be tried."""
    assert old in text, f"nothing to edit: there is no {old!r}"
    return text.replace(old, new, 1)
