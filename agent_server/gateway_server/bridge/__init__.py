"""`fmu-gateway mcp --gateway URL`: MCP on this machine in front of a gateway elsewhere."""
