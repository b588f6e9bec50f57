//! Texts with `{{ variable }}` in them, as manifests write them.

use std::collections::BTreeMap;

/// A text whose variables are known by name and have no values yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Takes a text apart.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((name, behind)) = after.split_once("}}") else {
                return Err(format!("{text:?} has `{{{{` without `}}}}`"));
            };
            let name = name.trim();
            if !is_variable_name(name) {
                return Err(format!("{name:?} is not a variable's name"));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The variables it names.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with values in it; a variable without one is the error.
    pub(super) fn resolve(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => match values.get(name) {
                    Some(value) => text.push_str(value),
                    None => return Err(name.clone()),
                },
            }
        }
        Ok(text)
    }
}

/// A lower-case letter, then lower-case letters, digits and `_`.
/// Whether a text can be the name of a variable.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_between_braces() {
        let values = BTreeMap::from([("host".to_owned(), "example.com".to_owned())]);
        let resolved = |text: &str| Template::parse(text).unwrap().resolve(&values);
        assert_eq!(resolved("plain"), Ok("plain".to_owned()));
        assert_eq!(resolved(""), Ok(String::new()));
        assert_eq!(
            resolved("http://{{ host }}:80/{{host}}"),
            Ok("http://example.com:80/example.com".to_owned())
        );
        assert_eq!(resolved("{{ other }}"), Err("other".to_owned()));
        for bad in ["{{ a", "{{ A }}", "{{ }}", "{{ 1a }}", "{{ a-b }}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
