"""The process: settings, doors (REST, MCP, A2A) and command line."""
