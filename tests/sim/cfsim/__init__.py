"""A Cloudflare and a Telegram to develop and test against: REST, GraphQL, bot API and a control API in one process."""
