"""From desired and live state to a Plan. Pure: no I/O, no clock, no HTTP, no YAML."""
