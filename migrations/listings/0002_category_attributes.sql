-- What the attributes of a category's listings are: name -> "text", "integer", "number", "boolean" or
-- a list of the texts allowed. Attributes that are not named here may be anything that an attribute
-- can be.
alter table listings.categories
    add column attributes jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object');

update listings.categories
set attributes = '{
    "brand": "text", "color": "text", "year": "integer", "shipping": "boolean",
    "condition": ["new", "like_new", "good", "worn", "defective"]
}'
where parent is not null;

update listings.categories c
set attributes = c.attributes || more.attributes
from (values
    ('bicycles',    '{"frame": "text", "gears": "integer", "wheel_inches": "number"}'::jsonb),
    ('scooters',    '{"range_km": "number"}'),
    ('furniture',   '{"material": "text", "width_cm": "number", "height_cm": "number", "depth_cm": "number"}'),
    ('garden',      '{"power": ["hand", "battery", "mains", "petrol"]}'),
    ('phones',      '{"model": "text", "storage_gb": "integer"}'),
    ('laptops',     '{"model": "text", "memory_gb": "integer", "storage_gb": "integer", "screen_inches": "number"}'),
    ('cameras',     '{"model": "text", "mount": "text"}'),
    ('books',       '{"author": "text", "isbn": "text", "language": "text"}'),
    ('instruments', '{"model": "text"}'),
    ('camping',     '{"persons": "integer", "weight_kg": "number"}')
) as more (slug, attributes)
where c.slug = more.slug;
