"""How the scaler speaks to a Kubernetes API server. No other package imports `kubernetes_asyncio`."""
