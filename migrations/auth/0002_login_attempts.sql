-- Failed logins, by address: an address without an account is locked like one with an account, or
-- the lock would tell which is which.
create table auth.login_attempts (
    -- SHA-256 of the address in lower case: as long for every text that somebody may send.
    email_hash   bytea       primary key check (length(email_hash) = 32),
    -- In a row, the one under way included; a login that works deletes the row.
    failures     integer     not null,
    -- Until when further ones are refused.
    locked_until timestamptz,
    last_at      timestamptz not null
);
-- For the sweep: rows go a day after the last attempt.
create index login_attempts_last_at on auth.login_attempts (last_at);

-- Contract once no origin of before this migration runs.
comment on column auth.users.failures is 'Unused: see auth.login_attempts.';
comment on column auth.users.locked_until is 'Unused: see auth.login_attempts.';
