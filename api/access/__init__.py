"""Who is asking: accounts, passwords, second factors, sessions, tokens of machines, logins by a provider, limits."""
