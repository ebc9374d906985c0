"""A hub in one file: its database as it was at one moment, its files, and the evidence it names."""
