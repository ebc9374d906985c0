"""Subscriptions: the hub sends what it keeps on, to whoever asked for it."""
