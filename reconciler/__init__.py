"""Feature flags as code for Amplitude Experiment."""

__version__ = "0.1.0"
