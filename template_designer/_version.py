"""Name and version, as they stand in every file the program writes."""

SOFTWARE_NAME = "template-designer"
__version__ = "0.1.0"
