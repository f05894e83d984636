"""What no test notices: small faults put into copies of the code, and the tests that reach them run."""
