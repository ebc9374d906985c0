"""Deletions: what shows a person is deleted on request, with records that prove it."""
