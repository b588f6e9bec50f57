-- The control plane: what edge nodes follow, and what they tell of themselves.

-- The change log. Append-only; `seq` has no gaps that a reader could overtake, because a writer
-- takes a lock first (see `append` in origin/control/src/store.rs).
create table control.changes (
    seq        bigint      primary key,
    kind       text        not null check (kind in ('purge', 'kv')),
    payload    jsonb       not null,
    created_at timestamptz not null default now()
);

-- The head of the log: one row. It stays when old changes are trimmed away.
create table control.head (
    only_row boolean primary key default true check (only_row),
    seq      bigint  not null
);
insert into control.head (seq) values (0);

-- Keys and values of the site, as the log has left them.
create table control.kv (
    key        text   primary key check (key like 'site/%' and length(key) <= 512),
    value      text   not null check (length(value) <= 1048576),
    seq        bigint not null
);

-- Edge nodes, by their last heartbeat.
create table control.nodes (
    name       text        primary key,
    heartbeat  jsonb       not null,
    seq        bigint      not null,
    first_seen timestamptz not null default now(),
    last_seen  timestamptz not null default now()
);

-- Events taken in.
create table control.inbox (
    event_id uuid        primary key,
    taken_at timestamptz not null default now()
);
create index inbox_taken_at on control.inbox (taken_at);
