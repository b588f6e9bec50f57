-- The marketplace's catalogue.

create table listings.categories (
    slug     text     primary key check (slug ~ '^[a-z][a-z0-9-]{0,39}$'),
    name     text     not null,
    parent   text     references listings.categories (slug),
    position smallint not null
);

-- The primary key is the id alone: a listing is read by its id, by people who do not know its
-- seller. Sharded, this table is distributed by id, and a seller's own list is one fan-out query.
create table listings.listings (
    id          uuid        primary key,
    seller_id   uuid        not null,
    title       text        not null check (length(title) between 3 and 120),
    description text        not null check (length(description) <= 10000),
    category    text        not null references listings.categories (slug),
    -- Minor units of the currency.
    price       bigint      not null check (price >= 0),
    currency    text        not null check (currency ~ '^[A-Z]{3}$'),
    -- Facts such as brand or size: a flat object of texts, numbers and booleans.
    attributes  jsonb       not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    status      text        not null default 'active' check (status in ('active', 'sold', 'withdrawn')),
    -- Counts writes; it is the ETag.
    version     bigint      not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    -- A word in the title weighs more than one in the description.
    search      tsvector    not null generated always as (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B')
    ) stored
);
create index listings_search on listings.listings using gin (search) where status = 'active';
create index listings_attributes on listings.listings using gin (attributes jsonb_path_ops) where status = 'active';
create index listings_newest on listings.listings (created_at desc, id desc) where status = 'active';
create index listings_price on listings.listings (price, id) where status = 'active';
create index listings_category on listings.listings (category, created_at desc, id desc) where status = 'active';
create index listings_seller on listings.listings (seller_id, created_at desc, id desc);

-- Pictures, stored once whatever number of listings shows them; the id is their SHA-256 in hex.
create table listings.images (
    id         text        primary key check (id ~ '^[0-9a-f]{64}$'),
    media_type text        not null check (media_type in ('image/jpeg', 'image/png', 'image/webp')),
    width      integer     not null,
    height     integer     not null,
    bytes      bytea       not null check (length(bytes) <= 5242880),
    created_at timestamptz not null default now()
);
-- Pictures are compressed already.
alter table listings.images alter column bytes set storage external;

create table listings.listing_images (
    listing_id uuid     not null references listings.listings (id) on delete cascade,
    position   smallint not null check (position between 0 and 9),
    image_id   text     not null references listings.images (id),
    primary key (listing_id, position),
    unique (listing_id, image_id)
);
create index listing_images_image_id on listings.listing_images (image_id);

create table listings.outbox (
    seq         bigint generated always as identity primary key,
    id          uuid        not null unique,
    kind        text        not null,
    key         text        not null,
    payload     jsonb       not null,
    occurred_at timestamptz not null
);

-- The category tree. More come by migrations, as the application's pages do.
insert into listings.categories (slug, name, parent, position) values
    ('vehicles',    'Vehicles',        null,          1),
    ('home',        'Home and garden', null,          2),
    ('electronics', 'Electronics',     null,          3),
    ('leisure',     'Leisure',         null,          4),
    ('bicycles',    'Bicycles',        'vehicles',    1),
    ('scooters',    'Scooters',        'vehicles',    2),
    ('furniture',   'Furniture',       'home',        1),
    ('kitchen',     'Kitchen',         'home',        2),
    ('garden',      'Garden tools',    'home',        3),
    ('phones',      'Phones',          'electronics', 1),
    ('laptops',     'Laptops',         'electronics', 2),
    ('cameras',     'Cameras',         'electronics', 3),
    ('books',       'Books',           'leisure',     1),
    ('instruments', 'Instruments',     'leisure',     2),
    ('camping',     'Camping',         'leisure',     3);
