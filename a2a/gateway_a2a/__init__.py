"""The A2A door: agent card, executor and client."""
