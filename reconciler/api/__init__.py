"""The live side: the only package that imports httpx. It never sees a plan."""
