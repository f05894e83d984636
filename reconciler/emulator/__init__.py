"""A stand-in for the Management API, written from its reference alone.

It imports nothing of the rest of the package, on purpose: a misreading of the API then fails a test instead
of cancelling out.
"""
