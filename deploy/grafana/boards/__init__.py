"""The Grafana dashboards as code: `python -m grafana.boards deploy/grafana/dashboards` (`make dashboards`) writes their JSON.

The package is imported as `grafana.boards`: `deploy/` is on the path of an editable install, and `deploy/grafana` has no
`__init__.py`. It stands beside the packages which ship, not among them, as it needs grafana-foundation-sdk, a tool of
development; an import contract holds that nothing which ships imports either. What Grafana reads is the JSON, which is
committed; a test holds that it is up to date.
"""
