"""Text to values: strict YAML and JSON, with a position for every node, and the published JSON Schemas.

Knows nothing of flags, and never decides what a value means.
"""
