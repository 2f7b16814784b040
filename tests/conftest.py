"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says more of the machine it runs on than of what it is about.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
