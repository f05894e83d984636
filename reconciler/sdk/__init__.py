"""What Amplitude's SDKs ask of a server, and OpenFeature's, over the flags of this machine."""
