"""One module for each gateway that `docs/gateways.md` lists: its dialect, played against the real recorder."""
