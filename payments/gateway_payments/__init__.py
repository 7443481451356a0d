"""Money: accounts, quotes, entitlements, ledger and the ways to pay."""
