"""Settings of the property tests in this folder and below."""

from hypothesis import settings

# The whole folder is to take seconds; deadlines would only measure a busy machine.
settings.register_profile("quick", max_examples=40, deadline=None)
settings.load_profile("quick")
