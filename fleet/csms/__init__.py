"""The embedded central system: the default counterparty, and the record side of the books.

`central` is what it knows and decides, `conversation` what is said on one connection; both are pure. `server` puts them
on trio-websocket, `records` keeps every transaction as JSON lines, `command` is `fleet csms`.
"""
