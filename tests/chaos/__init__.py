"""Sales that go wrong: real processes, a crowd over real HTTP, a fault in mid-sale, and what came of it counted from outside."""
