//! The bounds. They are chosen so that the worst image within them fits an instance of 128 MiB and
//! a deadline of 5 seconds.

/// The largest source in bytes. It is held while it is decoded.
pub const MAX_SOURCE_BYTES: usize = 10 * 1024 * 1024;

/// The largest source in pixels. Bounds the time of decoding.
pub const MAX_SOURCE_PIXELS: u64 = 40_000_000;

/// The most memory that decoding may take, as `source` estimates it. For most
/// sources this is what bounds their pixels: about 29 million of a JPEG, 22 million of a PNG with
/// transparency, 9 million of a progressive JPEG, whose decoder holds all coefficients.
pub const MAX_DECODING_BYTES: u64 = 84 * 1024 * 1024;

/// The most memory that resizing may take, the image included. The source is gone by then.
pub const MAX_RESIZING_BYTES: u64 = 116 * 1024 * 1024;

/// The longest side of an answer, in pixels.
pub const MAX_SIDE: u32 = 4096;

/// The longest side of an answer when neither width nor height is asked for.
pub const DEFAULT_SIDE: u32 = 2048;

/// The largest answer in pixels.
pub const MAX_PIXELS: u64 = 8 * 1024 * 1024;

/// The largest answer in WebP. Its encoder is the slowest.
pub const MAX_WEBP_PIXELS: u64 = 2048 * 2048;

/// The largest answer in PNG that is compressed well; above, it is compressed fast.
pub const MAX_WELL_COMPRESSED_PIXELS: u64 = 2 * 1024 * 1024;

/// The largest colour profile that is passed on, in bytes.
pub const MAX_PROFILE_BYTES: usize = 16 * 1024;

/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 512;

/// The longest name of an image, in bytes.
pub const MAX_NAME_BYTES: usize = 200;
