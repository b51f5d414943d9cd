"""The version, alone in a module so that the build and every program can read it cheaply."""

__version__ = "0.1.0"
