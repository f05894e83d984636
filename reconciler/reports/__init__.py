"""Reports as text. Returns strings; never prints, never opens a file, never decides."""
