"""What a run comes to: its objectives, its verdict, and the verdict told as text, JSON, JUnit and a page.

`document` is the hub: one frozen `Summary` is put together at the end, and everything that is shown of a run that is
over is a pure function of it.
"""
