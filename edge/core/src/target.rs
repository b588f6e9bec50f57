//! Method and path of a request, asked of the host only when a rule needs them, and then once.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::Exchange;
use crate::pattern::RequestMatch;

/// What rules match a request by. On a node each accessor of an exchange is a call from the guest to
/// its host, so a policy whose rules name no method never asks for it.
#[derive(Debug)]
pub struct Target<'x, X> {
    exchange: &'x X,
    method: OnceCell<Cow<'x, str>>,
    path: OnceCell<Cow<'x, str>>,
}

impl<'x, X: Exchange> Target<'x, X> {
    /// The target of an exchange.
    pub fn new(exchange: &'x X) -> Self {
        Self {
            exchange,
            method: OnceCell::new(),
            path: OnceCell::new(),
        }
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.method.get_or_init(|| self.exchange.method())
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.path.get_or_init(|| self.exchange.path())
    }

    /// Whether the request falls under a rule.
    pub fn matches(&self, rule: &RequestMatch) -> bool {
        let on_method = rule
            .methods
            .as_ref()
            .is_none_or(|set| set.contains(self.method()));
        on_method
            && rule.paths.as_ref().is_none_or(|paths| {
                let path = self.path();
                paths.iter().any(|pattern| pattern.matches(path))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Methods, PathPattern};
    use crate::testing::TestExchange;

    #[test]
    fn the_host_is_asked_only_for_what_a_rule_needs() {
        let x = TestExchange::get("/a");
        let target = Target::new(&x);
        assert!(target.matches(&RequestMatch::default()));
        assert!(x.calls().is_empty());
        let methods = Some(Methods::new(vec!["PUT".to_owned()]).unwrap());
        let paths = Some(vec![PathPattern::parse("/a").unwrap()]);
        assert!(!target.matches(&RequestMatch {
            methods,
            paths: paths.clone()
        }));
        assert_eq!(x.calls(), ["method"]);
        let rule = RequestMatch {
            methods: None,
            paths,
        };
        assert!(target.matches(&rule) && target.matches(&rule));
        assert_eq!(x.calls(), ["method", "path"]);
    }
}
