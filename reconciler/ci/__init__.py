"""What workflows need of GitHub and GitLab: one comment, one issue, and whether a commit is still the newest.

Run as `python -I -m reconciler.ci`; no command of `reconciler` itself talks to either of them, and nothing here sees
the management key.
"""
