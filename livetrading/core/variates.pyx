# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Random numbers and elementary functions of the core, for tests and for whoever wants the same bits."""
