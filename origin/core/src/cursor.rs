//! Cursors: where the next page begins, opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte of every cursor. A cursor of another version is refused, not misread.
const VERSION: u8 = 1;

/// Longest cursor accepted, in characters.
const MAX_LENGTH: usize = 1024;

/// An encoded position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

/// The text is not a cursor of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor that this server gave out")]
pub struct NotACursor;

impl Cursor {
    /// Encodes a position.
    #[must_use]
    pub fn encode<T: Serialize>(position: &T) -> Self {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, position).expect("a position is plain data");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position that a client sent back.
    ///
    /// # Errors
    ///
    /// [`NotACursor`].
    pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, NotACursor> {
        if text.len() > MAX_LENGTH {
            return Err(NotACursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        match bytes.split_first() {
            Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|_| NotACursor),
            _ => Err(NotACursor),
        }
    }

    /// The text for the client.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_does() {
        let text = Cursor::encode(&(7, "a")).into_string();
        assert_eq!(
            Cursor::decode::<(i32, String)>(&text),
            Ok((7, "a".to_owned()))
        );
        for bad in ["", "!", "AA", &"A".repeat(2000)] {
            assert_eq!(
                Cursor::decode::<(i32, String)>(bad),
                Err(NotACursor),
                "{bad}"
            );
        }
        assert_eq!(
            Cursor::decode::<u8>(&text),
            Err(NotACursor),
            "another position's shape"
        );
    }
}
