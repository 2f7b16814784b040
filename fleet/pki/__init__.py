"""A test PKI: a root that vouches for a CSMS and for every charge point of a fleet (`fleet certs`).

`layout` is where the files of such a PKI lie, `authority` makes keys and certificates, `folder` writes them, `command`
is `fleet certs`. It is for tests: keys lie unencrypted in files, and nothing is ever revoked.
"""
