"""Prometheus and whatever speaks its query API (Thanos, Mimir, VictoriaMetrics): access, client, and what answers mean."""
