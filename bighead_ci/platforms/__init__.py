"""Where environments run: processes or containers behind Envoy."""
