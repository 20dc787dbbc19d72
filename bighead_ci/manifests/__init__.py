"""Releases and environments as Kubernetes manifests: pure functions of what main says. Nothing here asks a cluster."""
