"""What runs the stages of a model version, behind `ports.orchestrator`."""
