"""Mistakes that people make, one per file, in both frameworks; `_contract` says what one is, `_once` makes them."""
