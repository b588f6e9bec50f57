//! One encoder for each coding, behind one face: bytes go in, bytes come out when there are any.

use std::fmt;
use std::io::{self, Write as _};

use flate2::write::GzEncoder;

use super::{Place, Settings};
use crate::Coding;

/// How far back matches may reach, as a power of two. An answer in the making holds a few times as
/// much memory, and there may be hundreds.
const WINDOW: u32 = 19;
/// What Brotli works on at once, in bytes.
const BROTLI_GATHERS: usize = 32 * 1024;
/// Buffer of the Brotli writer, in bytes.
const BUFFER: usize = 4096;

/// An encoder.
pub struct Encoder {
    kind: Kind,
    /// Bytes that Brotli has taken in since it was flushed.
    gathered: usize,
    _place: Place,
}

enum Kind {
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Br(Option<Box<brotli::CompressorWriter<Vec<u8>>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Zstd(_) => "Encoder(zstd)",
            Kind::Br(_) => "Encoder(br)",
            Kind::Gzip(_) => "Encoder(gzip)",
        })
    }
}

impl Encoder {
    pub(super) fn new(
        coding: Coding,
        settings: &Settings,
        length: Option<u64>,
        place: Place,
    ) -> io::Result<Self> {
        let window = length.map_or(WINDOW, |length| {
            // What an upstream tells may be as large as it likes.
            let length = length.min(1 << WINDOW);
            length.next_power_of_two().ilog2().clamp(10, WINDOW)
        });
        let kind = match coding {
            Coding::Zstd => {
                let mut encoder =
                    zstd::stream::write::Encoder::new(Vec::new(), settings.zstd_level)?;
                encoder.window_log(window)?;
                Kind::Zstd(Box::new(encoder))
            }
            Coding::Br => Kind::Br(Some(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BUFFER,
                settings.brotli_level,
                window,
            )))),
            Coding::Gzip => {
                let level = flate2::Compression::new(settings.gzip_level);
                Kind::Gzip(Box::new(GzEncoder::new(Vec::new(), level)))
            }
            Coding::Dcz => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(Self {
            kind,
            gathered: 0,
            _place: place,
        })
    }

    /// How many bytes it takes in well under a millisecond.
    pub(super) fn slice(&self) -> usize {
        match self.kind {
            Kind::Zstd(_) => 64 * 1024,
            Kind::Br(_) | Kind::Gzip(_) => 32 * 1024,
        }
    }

    /// Takes bytes in.
    ///
    /// # Errors
    ///
    /// The encoder failed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.kind {
            Kind::Zstd(encoder) => encoder.write_all(bytes),
            Kind::Br(Some(encoder)) => {
                encoder.write_all(bytes)?;
                self.gathered += bytes.len();
                // Left alone it gathers megabytes, and then works on them all at once.
                if self.gathered >= BROTLI_GATHERS {
                    self.gathered = 0;
                    encoder.flush()?;
                }
                Ok(())
            }
            Kind::Br(None) => Err(io::ErrorKind::BrokenPipe.into()),
            Kind::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Brings all that was taken in to where it can be taken out and decoded.
    ///
    /// # Errors
    ///
    /// The encoder failed.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Zstd(encoder) => encoder.flush(),
            Kind::Br(encoder) => encoder.as_mut().map_or(Ok(()), io::Write::flush),
            Kind::Gzip(encoder) => encoder.flush(),
        }
    }

    /// Ends the stream; gives what is left to take out.
    ///
    /// # Errors
    ///
    /// The encoder failed.
    pub fn finish(&mut self) -> io::Result<Vec<u8>> {
        match &mut self.kind {
            Kind::Zstd(encoder) => encoder.do_finish()?,
            Kind::Br(encoder) => {
                return Ok(encoder
                    .take()
                    .map_or_else(Vec::new, |encoder| encoder.into_inner()));
            }
            Kind::Gzip(encoder) => encoder.try_finish()?,
        }
        Ok(self.take())
    }

    /// Takes out what is there.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.kind {
            Kind::Zstd(encoder) => std::mem::take(encoder.get_mut()),
            Kind::Br(encoder) => encoder
                .as_mut()
                .map_or_else(Vec::new, |encoder| std::mem::take(encoder.get_mut())),
            Kind::Gzip(encoder) => std::mem::take(encoder.get_mut()),
        }
    }

    /// Encodes a short body at once.
    ///
    /// # Errors
    ///
    /// The encoder failed.
    pub fn whole(mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.write(bytes)?;
        let mut coded = self.take();
        coded.append(&mut self.finish()?);
        Ok(coded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Compressor;
    use super::*;

    #[test]
    fn no_length_is_too_odd() {
        let compressor = Compressor::new(Settings {
            offer: Vec::new(),
            zstd_level: 1,
            brotli_level: 1,
            gzip_level: 1,
            min_bytes: 0,
            types: Vec::new(),
            max_streams: 8,
        });
        for coding in [Coding::Zstd, Coding::Br, Coding::Gzip] {
            for length in [0, 1, (1 << 63) + 1, u64::MAX] {
                let place = compressor.place().unwrap();
                let encoder = compressor.encoder(coding, Some(length), place).unwrap();
                assert!(!encoder.whole(b"text").unwrap().is_empty());
            }
        }
    }
}
