"""The command line: the only package that imports click. One thin module a command."""
