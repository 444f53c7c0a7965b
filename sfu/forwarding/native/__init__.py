"""The native engine: what happens for every packet, in C; Python decides all that isn't plain.

`core.pyx` binds the C files to Python, `streams.py` puts Python's numbers into their records. Built by `pip install`
where there is a C compiler; `sfu.forwarding.engine` says whether it is there.
"""
