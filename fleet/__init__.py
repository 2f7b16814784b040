"""fleet: a load simulator for EV charging."""

from fleet.version import VERSION as __version__

__all__ = ["__version__"]
