//! Images at the edge: a `wasi:http` 0.3 service that fetches an image from the origin, and resizes,
//! crops and converts it.
//!
//! * `GET /media/{image}?w=&h=&fit=&crop=&format=&q=&upscale=` -- the image, made as asked. The
//!   parameters are described in [`params`].
//! * `HEAD` of the same -- the same head.
//!
//! The source is `http://origin/media/{image}`; `origin` is an upstream of the node. A source is
//! JPEG, PNG or WebP by its own bytes, whatever its content type says, and its header is read and
//! measured against [`limits`] before anything is decoded.
//!
//! | answer | when |
//! |---|---|
//! | 200 | with `ETag`, the source's `Cache-Control`, `Surrogate-Key: image-<image>` |
//! | 304 | `If-None-Match` has the `ETag`, which follows from the source's: nothing is decoded |
//! | 400 | a parameter is wrong, repeated or unknown; the body names it |
//! | 404 | the origin has no such image |
//! | 405 | the method is neither `GET` nor `HEAD` |
//! | 406 | `Accept` excludes every format |
//! | 502 | the origin fails, or what it has is no image, too large or damaged |
//!
//! Metadata is not passed on, because photographs carry the place they were taken at. The colour
//! profile is, because colours are wrong without it, and the orientation is applied.

pub mod accept;
pub mod decode;
pub mod encode;
pub mod etag;
pub mod exchange;
pub mod format;
pub mod geometry;
pub mod limits;
pub mod params;
pub mod pipeline;
pub mod pixels;
pub mod resize;
pub mod source;

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
mod service;
#[cfg(test)]
mod testing;
