"""The HTTP API and the review pages (aiohttp); login, permissions, audited reading."""
