"""Amplitude's rule from a flag to assignments: hash, ranges, conditions, exact shares. Pure; knows no plans."""
