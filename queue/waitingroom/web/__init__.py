"""HTTP for buyers: routes, cookies, content negotiation, problems. Decisions are made in the pure modules above."""
