"""The command line. One thin module a command. Only this package and `ci` import click."""
