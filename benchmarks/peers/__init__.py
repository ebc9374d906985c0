"""What CityEye is compared with: other ways to run a detector on many cameras, as programs.

Each is called with a `ContestantSpec`, runs until its standard input ends, and notes its results.
"""
