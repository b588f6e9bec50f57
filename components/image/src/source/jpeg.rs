//! The frame of a JPEG, by its markers (ITU-T T.81, annex B), because the decoder tells neither
//! whether it is progressive nor whether it ends.

use super::SourceError;

/// What the frame header says.
#[derive(Debug)]
pub(super) struct Frame {
    progressive: bool,
    width: u64,
    height: u64,
    /// Horizontal and vertical sampling factors of each component.
    sampling: Vec<(u64, u64)>,
}

impl Frame {
    /// Reads all segments up to the first scan, and looks for the end after it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SourceError> {
        let damaged = |why: &str| SourceError::Damaged(why.to_owned());
        let mut frame: Option<Self> = None;
        let mut at = 2;
        let scan = loop {
            let marker = match bytes.get(at..at + 2) {
                // Fill bytes may stand before a marker (B.1.1.2).
                Some([0xff, 0xff]) => {
                    at += 1;
                    continue;
                }
                Some(&[0xff, marker]) => marker,
                _ => return Err(damaged("a JPEG marker is missing")),
            };
            at += 2;
            if marker == 0x01 || (0xd0..=0xd8).contains(&marker) {
                continue;
            }
            let length = match bytes.get(at..at + 2) {
                Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                _ => return Err(damaged("a JPEG segment is cut off")),
            };
            let segment = bytes
                .get(at + 2..at + length)
                .ok_or_else(|| damaged("a JPEG segment is cut off"))?;
            at += length;
            match marker {
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    let header = Self::parse(marker, segment)
                        .ok_or_else(|| damaged("the JPEG frame header is malformed"))?;
                    if frame.replace(header).is_some() {
                        return Err(damaged("there is more than one JPEG frame header"));
                    }
                }
                0xda => break segment,
                0xd9 => return Err(damaged("the JPEG ends before its first scan")),
                _ => (),
            }
        };
        // Data of a scan never holds this pair of bytes (B.1.1.5). The decoder would fill up what
        // is missing with grey.
        if !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]) {
            return Err(damaged("the JPEG is cut off"));
        }
        let frame = frame.ok_or_else(|| damaged("the JPEG has no frame header"))?;
        frame.check_scan(scan)?;
        Ok(frame)
    }

    /// Refuses what the decoder (zune-jpeg 0.5.15) gets wrong without saying so: a scan for each
    /// component, when some are sampled less than others, comes out in other colours.
    fn check_scan(&self, scan: &[u8]) -> Result<(), SourceError> {
        let together = scan
            .first()
            .is_some_and(|count| usize::from(*count) == self.sampling.len());
        let alike = self
            .sampling
            .iter()
            .all(|factors| *factors == self.sampling[0]);
        if self.progressive || together || alike {
            return Ok(());
        }
        let why = "a JPEG whose subsampled components are not interleaved";
        Err(SourceError::Unsupported(why.into()))
    }

    fn parse(marker: u8, segment: &[u8]) -> Option<Self> {
        let &[8, h1, h0, w1, w0, count, ref components @ ..] = segment else {
            return None;
        };
        let sampling: Vec<_> = components
            .chunks_exact(3)
            .map(|component| (u64::from(component[1] >> 4), u64::from(component[1] & 15)))
            .collect();
        let legal = |factor: u64| (1..=4).contains(&factor);
        if sampling.len() != usize::from(count)
            || !matches!(count, 1..=4)
            || !sampling.iter().all(|(h, v)| legal(*h) && legal(*v))
        {
            return None;
        }
        Some(Self {
            progressive: marker == 0xc2,
            width: u16::from_be_bytes([w1, w0]).into(),
            height: u16::from_be_bytes([h1, h0]).into(),
            sampling,
        })
    }

    /// The bytes that the decoder holds beside the pixels: of a progressive frame all coefficients,
    /// two bytes each, in whole blocks.
    pub(super) fn held_bytes(&self) -> u64 {
        if !self.progressive {
            return 0;
        }
        let most =
            |factor: fn(&(u64, u64)) -> u64| self.sampling.iter().map(factor).max().unwrap_or(1);
        let (most_h, most_v) = (most(|(h, _)| *h), most(|(_, v)| *v));
        let units = self.width.div_ceil(8 * most_h) * self.height.div_ceil(8 * most_v);
        let blocks: u64 = self.sampling.iter().map(|(h, v)| h * v * units).sum();
        blocks * 64 * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(marker: u8, sampling: [u8; 3]) -> Vec<u8> {
        let mut bytes = vec![
            0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, marker, 0, 17, 8,
        ];
        bytes.extend([0x03, 0xe8, 0x07, 0xd0, 3]); // 1000 high, 2000 wide
        for (n, sampling) in sampling.into_iter().enumerate() {
            bytes.extend([u8::try_from(n).unwrap(), sampling, 0]);
        }
        bytes.extend([0xff, 0xda, 0, 3, 3, 1, 2, 0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_progressive_frame_holds_its_coefficients() {
        let held = |marker, sampling| Frame::read(&header(marker, sampling)).unwrap().held_bytes();
        assert_eq!(held(0xc0, [0x11; 3]), 0);
        assert_eq!(held(0xc2, [0x11; 3]), 3 * 2000 * 1000 * 2);
        // 4:2:0, in units of 16 by 16: 63 rows of 125.
        assert_eq!(held(0xc2, [0x22, 0x11, 0x11]), 63 * 125 * 6 * 64 * 2);
    }

    #[test]
    fn a_frame_that_does_not_end_is_damaged() {
        let whole = header(0xc0, [0x11; 3]);
        for length in 2..whole.len() {
            assert!(Frame::read(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_scan_for_each_component_is_unsupported_when_they_are_subsampled() {
        let apart = |marker, sampling| {
            let mut bytes = header(marker, sampling);
            let count = bytes.len() - 5;
            bytes[count] = 1;
            Frame::read(&bytes)
        };
        let refused = apart(0xc0, [0x22, 0x11, 0x11]).unwrap_err();
        assert!(matches!(refused, SourceError::Unsupported(_)), "{refused}");
        assert!(apart(0xc0, [0x11; 3]).is_ok());
        assert!(
            apart(0xc2, [0x22, 0x11, 0x11]).is_ok(),
            "a progressive one is read right"
        );
    }

    #[test]
    fn malformed_frame_headers_are_damaged() {
        assert!(
            Frame::read(&header(0xc0, [0x01; 3])).is_err(),
            "a sampling factor of 0"
        );
        assert!(
            Frame::read(&header(0xc0, [0x15; 3])).is_err(),
            "a sampling factor of 5"
        );
        let mut twice = header(0xc0, [0x11; 3]);
        let again = twice[8..29].to_vec();
        twice.splice(8..8, again);
        assert!(Frame::read(&twice).is_err(), "two frame headers");
        assert!(
            Frame::read(b"\xff\xd8\xff\xe0\0\0").is_err(),
            "a segment of length 0"
        );
    }
}
