"""The declared side: flag files to a DesiredState. The only package that knows what a flag file looks like."""
