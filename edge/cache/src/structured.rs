//! Structured fields (RFC 9651) as far as caches need them: lists and dictionaries whose items are
//! integers, strings and booleans. Other items are read, so that what stands beside them counts, and
//! come out as [`Item::Other`].

/// Longer lists and dictionaries are not read at all.
const MAX_MEMBERS: usize = 1024;

/// A member, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Integer(i64),
    String(String),
    Boolean(bool),
    /// A decimal, token, byte sequence, date, display string or inner list.
    Other,
}

/// A List (section 4.2.1); none when the text is not one.
pub(crate) fn list(text: &str) -> Option<Vec<Item>> {
    let mut reader = Reader::new(text);
    let mut members = Vec::new();
    reader.members(|reader| {
        members.push(reader.member()?);
        (members.len() <= MAX_MEMBERS).then_some(())
    })?;
    Some(members)
}

/// A Dictionary (section 4.2.2), in the order of its keys' last appearance; none when the text is
/// not one.
pub(crate) fn dictionary(text: &str) -> Option<Vec<(&str, Item)>> {
    let mut reader = Reader::new(text);
    let mut members = Vec::new();
    let mut read = 0;
    reader.members(|reader| {
        let key = reader.key()?;
        let item = if reader.eat('=') {
            reader.member()?
        } else {
            reader.parameters()?;
            Item::Boolean(true)
        };
        read += 1;
        members.retain(|(known, _)| *known != key);
        members.push((key, item));
        (read <= MAX_MEMBERS).then_some(())
    })?;
    Some(members)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.trim_matches(' '),
        }
    }

    /// Members between commas; a comma at the end is an error.
    fn members(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.rest.is_empty() {
            return Some(());
        }
        loop {
            read(self)?;
            self.skip(&[' ', '\t']);
            if self.rest.is_empty() {
                return Some(());
            }
            if !self.eat(',') {
                return None;
            }
            self.skip(&[' ', '\t']);
        }
    }

    fn member(&mut self) -> Option<Item> {
        if !self.eat('(') {
            return self.item();
        }
        loop {
            self.skip(&[' ']);
            if self.eat(')') {
                self.parameters()?;
                return Some(Item::Other);
            }
            self.item()?;
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        let item = self.bare()?;
        self.parameters()?;
        Some(item)
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(';') {
            self.skip(&[' ']);
            self.key()?;
            if self.eat('=') {
                self.bare()?;
            }
        }
        Some(())
    }

    fn bare(&mut self) -> Option<Item> {
        match self.rest.chars().next()? {
            '"' => self.string(),
            '-' | '0'..='9' => self.number(),
            '?' => {
                self.rest = &self.rest[1..];
                let yes = self.eat('1');
                (yes || self.eat('0')).then_some(Item::Boolean(yes))
            }
            '@' => {
                self.rest = &self.rest[1..];
                matches!(self.number()?, Item::Integer(_)).then_some(Item::Other)
            }
            ':' => {
                let end = self.rest[1..].find(':')? + 1;
                let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
                let legal = self.rest[1..end].bytes().all(base64);
                self.rest = &self.rest[end + 1..];
                legal.then_some(Item::Other)
            }
            '%' => {
                self.rest = self.rest[1..].strip_prefix('"')?;
                let end = self.rest.find('"')?;
                self.rest = &self.rest[end + 1..];
                Some(Item::Other)
            }
            'a'..='z' | 'A'..='Z' | '*' => {
                let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c);
                self.skip_while(token);
                Some(Item::Other)
            }
            _ => None,
        }
    }

    /// Section 4.2.4: up to 15 digits, or up to 12 and 1 to 3 behind a point.
    fn number(&mut self) -> Option<Item> {
        let negative = self.eat('-');
        let whole = self.skip_while(|c| c.is_ascii_digit());
        if self.eat('.') {
            let fraction = self.skip_while(|c| c.is_ascii_digit());
            let legal = (1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len());
            return legal.then_some(Item::Other);
        }
        if whole.len() > 15 {
            return None;
        }
        let number: i64 = whole.parse().ok()?;
        Some(Item::Integer(if negative { -number } else { number }))
    }

    fn string(&mut self) -> Option<Item> {
        let inner = self.rest.strip_prefix('"')?;
        let mut string = String::new();
        let mut chars = inner.char_indices();
        loop {
            match chars.next()? {
                (at, '"') => {
                    self.rest = &inner[at + 1..];
                    return Some(Item::String(string));
                }
                (_, '\\') => match chars.next()? {
                    (_, c @ ('"' | '\\')) => string.push(c),
                    _ => return None,
                },
                (_, c) if c == ' ' || c.is_ascii_graphic() => string.push(c),
                _ => return None,
            }
        }
    }

    /// Section 4.2.3.3.
    fn key(&mut self) -> Option<&'a str> {
        if !self
            .rest
            .starts_with(|c: char| c.is_ascii_lowercase() || c == '*')
        {
            return None;
        }
        let of_key = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*')
        };
        Some(self.skip_while(of_key))
    }

    fn eat(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip(&mut self, what: &[char]) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn skip_while(&mut self, what: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !what(c)).unwrap_or(self.rest.len());
        let (skipped, rest) = self.rest.split_at(end);
        self.rest = rest;
        skipped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_kinds_of_items_are_read() {
        let text =
            r#"1;a=2, "x\"y" , ?0, ?1;q, tok/en:, :YQ==:, @12, %"d%c3", (1 "a";b);c, -5, 1.25"#;
        let items = list(text).unwrap();
        assert_eq!(items.len(), 11);
        assert_eq!(items[0], Item::Integer(1));
        assert_eq!(items[1], Item::String("x\"y".into()));
        assert_eq!(
            (&items[2], &items[3]),
            (&Item::Boolean(false), &Item::Boolean(true))
        );
        assert_eq!(items[9], Item::Integer(-5));
        assert!(
            items[4..9]
                .iter()
                .chain([&items[10]])
                .all(|item| *item == Item::Other)
        );
        assert_eq!(list(""), Some(vec![]));
    }

    #[test]
    fn of_two_equal_keys_the_later_counts() {
        let members = dictionary("a=1, b;x=2, a=?0").unwrap();
        assert_eq!(
            members,
            [("b", Item::Boolean(true)), ("a", Item::Boolean(false))]
        );
    }

    #[test]
    fn what_is_not_structured_is_refused_whole() {
        for text in [
            "1,",
            ",1",
            "1 2",
            "\"a",
            "\"\\a\"",
            "1.",
            "1.2345",
            "1234567890123456",
            "?2",
            ":?:",
            "(1",
            "(1\"a\")",
            "é",
            "1;A",
            "-",
        ] {
            assert_eq!(list(text), None, "{text}");
        }
        for text in ["A=1", "a=", "a =1", "a= 1", "=1", "a=1,", "1=1"] {
            assert_eq!(dictionary(text), None, "{text}");
        }
        assert_eq!(list(&"1,".repeat(5000)), None, "bounded");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,80}") {
            let _ = (list(&text), dictionary(&text));
        }

        #[test]
        fn strings_come_back(strings in prop::collection::vec("[ -~]{0,12}", 0..8)) {
            let quoted: Vec<String> = strings
                .iter()
                .map(|s| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect();
            let expected: Vec<Item> = strings.into_iter().map(Item::String).collect();
            prop_assert_eq!(list(&quoted.join(", ")), Some(expected));
        }
    }
}
