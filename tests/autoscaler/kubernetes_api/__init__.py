"""A faithful little Kubernetes API server for tests, its stand-in controllers, and the fixtures that bring them up.

`fixtures` is what tests import; `server` is the way in: a request is read (`requests`), authorised (`access`), perhaps struck by
an ordered fault (`faults`), and then answered from the objects (`objects`), which live in `storage`. What exists is in `kinds`.
"""
