"""Versions of rules that a newer one replaces: kept as they are, because rule sets pin them."""
