//! Pools, transactions, migrations, outbox and a private PostgreSQL.
