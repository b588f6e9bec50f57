-- Accounts and sessions.

create table auth.users (
    id            uuid        primary key,
    -- In lower case: two accounts never differ in case alone.
    email         text        not null unique check (email = lower(email) and length(email) <= 254),
    display_name  text        not null check (length(display_name) between 1 and 80),
    -- argon2id in PHC string form.
    password_hash text        not null,
    -- Failed logins since the last that worked, and until when further ones are refused.
    failures      integer     not null default 0,
    locked_until  timestamptz,
    created_at    timestamptz not null default now()
);

-- One login is one family of refresh tokens: each use replaces the token by the next. A token that
-- was replaced and comes again is stolen, by whoever comes second: the family ends.
create table auth.sessions (
    id          uuid        primary key,
    user_id     uuid        not null references auth.users (id) on delete cascade,
    user_agent  text        not null check (length(user_agent) <= 256),
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    revoked_at  timestamptz,
    -- Why it ended: logout, reuse.
    revoked_for text
);
create index sessions_user_id on auth.sessions (user_id);
create index sessions_expires_at on auth.sessions (expires_at);

create table auth.refresh_tokens (
    -- SHA-256 of the token; the token itself is nowhere.
    hash       bytea       primary key check (length(hash) = 32),
    session_id uuid        not null references auth.sessions (id) on delete cascade,
    created_at timestamptz not null default now(),
    used_at    timestamptz
);
create index refresh_tokens_session_id on auth.refresh_tokens (session_id);

create table auth.outbox (
    seq         bigint generated always as identity primary key,
    id          uuid        not null unique,
    kind        text        not null,
    key         text        not null,
    payload     jsonb       not null,
    occurred_at timestamptz not null
);
