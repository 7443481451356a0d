"""OAuth 2.1 for /mcp: programs that a person lets in by browser."""
