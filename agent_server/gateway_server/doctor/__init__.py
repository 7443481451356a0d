"""`fmu-gateway doctor`: checks a machine by doing what the gateway does, and says what to do."""
