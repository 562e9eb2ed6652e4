"""Changing a live Postfix: kept, written, checked, probed, or brought back; also when killed."""
