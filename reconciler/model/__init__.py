"""What a flag is: its fields, its canonical form, and the configuration of a project."""
