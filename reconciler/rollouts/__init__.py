"""Guarded rollouts: where each stands, and what its next step is. No state is kept but git and the live project."""
