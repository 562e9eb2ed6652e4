"""Looks at a Postfix as it is, and says what is wrong with it: evidence, reason and remedy of each fault.

`facts` reads what there is to know; the `topics` judge it, each by itself, as values; `examine` puts
their findings together. A new audit is one file in `topics/` and one in `tests/cases/audit/`.
"""
