"""What workflows need of GitHub: one comment, one issue, and whether a commit is still the newest that matters.

Run as `python -I -m reconciler.ci`; no command of `reconciler` itself talks to GitHub, and nothing here sees the
management key.
"""
