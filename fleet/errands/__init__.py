"""Errands: what charge points have done for them that takes a network, a random number or real cryptography.

The core says what is wanted (`fleet.core.errands`) and hears what came of it; here it is done, for the whole fleet by
one `runner.Errands`: files over HTTP(S) and FTP(S), keys, signing requests, certificates and signatures.
"""
