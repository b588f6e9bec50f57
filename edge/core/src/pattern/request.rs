//! Methods, and methods and paths together: what a rule is about.

use serde::Deserialize;

use super::{PathPattern, PatternError};

/// A set of methods, written as a list of their names. Methods are case-sensitive (RFC 9110,
/// section 9.1), and `GET` does not bring `HEAD` with it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Methods(Vec<String>);

impl Methods {
    /// A set of these names.
    ///
    /// # Errors
    ///
    /// An empty set, or a name that is no upper-case token: nobody means `get`.
    pub fn new(names: Vec<String>) -> Result<Self, PatternError> {
        if names.is_empty() {
            return Err(PatternError(
                "methods must name at least one method".to_owned(),
            ));
        }
        let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        for name in &names {
            if name.is_empty() || name.len() > 32 || !name.bytes().all(legal) {
                return Err(PatternError(format!(
                    "{name:?} is not a method in upper case"
                )));
            }
        }
        Ok(Self(names))
    }

    /// Whether a method is in the set.
    #[must_use]
    pub fn contains(&self, method: &str) -> bool {
        self.0.iter().any(|name| name == method)
    }
}

impl TryFrom<Vec<String>> for Methods {
    type Error = PatternError;

    fn try_from(names: Vec<String>) -> Result<Self, PatternError> {
        Self::new(names)
    }
}

/// Whether a request falls under a rule: one of these methods and one of these paths, each of which
/// may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// None: every method.
    pub methods: Option<Methods>,
    /// None: every path.
    pub paths: Option<Vec<PathPattern>>,
}

impl RequestMatch {
    /// Whether a request of this method and path (without the query) falls under the rule.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(method))
            && self.on_path(path)
    }

    /// Whether a path falls under the rule, whatever the method.
    #[must_use]
    pub fn on_path(&self, path: &str) -> bool {
        let any = |paths: &Vec<PathPattern>| paths.iter().any(|pattern| pattern.matches(path));
        self.paths.as_ref().is_none_or(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn methods_are_exact() {
        let methods: Methods = serde_json::from_str(r#"["GET", "PATCH"]"#).unwrap();
        assert!(methods.contains("GET") && methods.contains("PATCH"));
        assert!(!methods.contains("HEAD") && !methods.contains("get"));
        for bad in [r#"[]"#, r#"["get"]"#, r#"["GET POST"]"#, r#"[""]"#] {
            assert!(serde_json::from_str::<Methods>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rule_without_parts_is_about_everything() {
        let all = RequestMatch::default();
        assert!(all.matches("BREW", "/../x"));
        let some = RequestMatch {
            methods: Some(Methods::new(vec!["GET".to_owned()]).unwrap()),
            paths: Some(vec![pattern("/a"), pattern("/b/{c}")]),
        };
        assert!(some.matches("GET", "/b/1") && some.on_path("/a"));
        assert!(!some.matches("PUT", "/b/1") && !some.matches("GET", "/c"));
    }
}
