-- Answers to requests that carried an Idempotency-Key, so that a repeated request gets the first
-- one's answer and has no second effect.
create table http.idempotency (
    -- Who asked; keys of different users never meet. Leads the key, as a shard key would.
    subject     uuid        not null,
    key         text        not null check (length(key) between 1 and 255),
    -- SHA-256 of method, path and body: another request under the same key is refused.
    fingerprint bytea       not null,
    -- Null while the first request is being answered.
    status      smallint,
    headers     jsonb,
    body        bytea,
    created_at  timestamptz not null default now(),
    primary key (subject, key)
);

-- For the sweep of old rows.
create index idempotency_created_at on http.idempotency (created_at);
