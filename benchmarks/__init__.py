"""What the command costs beside its peers, as ratios measured side by side in one run: `make bench`.

Never a test: nothing here fails because a machine is slow. What can be counted exactly, such as requests, is asserted
in tests/ instead.
"""
