"""Amplitude's rule from a flag to users: hash, ranges, conditions, exact shares, results. Pure; knows no plans."""
