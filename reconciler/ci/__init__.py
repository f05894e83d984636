"""What workflows need of GitHub: one comment, one issue, and whether a commit is still the newest that matters.

Run as `python -I -m reconciler.ci`; no command of `reconciler` itself talks to GitHub. HTTP is the standard
library's, so that the only importer of httpx stays `api`, and nothing here sees the management key.
"""
