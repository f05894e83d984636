"""Flag files and the configuration: read, checked, decoded, written."""
