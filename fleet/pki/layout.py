"""Where the files of a test PKI lie: whoever is given its folder finds everything by these names.

DIR/root.pem root.key                       the root that vouches for all others
DIR/csms.pem csms.key                       the CSMS
DIR/charge-points/CP0001.pem CP0001.key     one charge point
"""

from pathlib import Path
from urllib.parse import quote

from attrs import frozen

CHARGE_POINTS = "charge-points"


def file_stem(charge_point_id: str) -> str:
    """A charge point's id as part of a file name: percent-encoded as in its URL, so that no id leaves the folder."""
    return quote(charge_point_id, safe=" ")


@frozen
class Layout:
    """The files of the PKI in `folder`, whether they are there or not."""

    folder: Path

    @property
    def root(self) -> Path:
        """The root's certificate."""
        return self.folder / "root.pem"

    @property
    def root_key(self) -> Path:
        """Its key."""
        return self.folder / "root.key"

    @property
    def csms(self) -> Path:
        """The CSMS's certificate."""
        return self.folder / "csms.pem"

    @property
    def csms_key(self) -> Path:
        """Its key."""
        return self.folder / "csms.key"

    @property
    def charge_points(self) -> Path:
        """The folder of the charge points' certificates and keys."""
        return self.folder / CHARGE_POINTS

    def charge_point(self, charge_point_id: str) -> Path:
        """A charge point's certificate."""
        return self.charge_points / f"{file_stem(charge_point_id)}.pem"

    def charge_point_key(self, charge_point_id: str) -> Path:
        """Its key."""
        return self.charge_points / f"{file_stem(charge_point_id)}.key"
