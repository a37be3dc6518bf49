"""How fast the dose engine is, beside plain NumPy and other people's code: ``make bench``."""
