"""Where environments run: processes behind Envoy."""
