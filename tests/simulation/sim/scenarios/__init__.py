"""The scenarios that found the rules (the protocol's section 4), by theme."""
