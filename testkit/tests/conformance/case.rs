//! How cases are written: a case is a few exchanges that follow each other; an exchange is a request,
//! what the upstream answers, and what has to come of it.

use crate::upstream::{Fault, Up};

/// The hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The policies and the engine in memory, without any runtime.
    Pure,
    /// Zephyr's node.
    Node,
    /// The Spin component: in the node's Spin loader, or under Spin itself.
    Spin,
    /// `wrangler dev`: Cloudflare's workerd.
    Workerd,
}

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) exchanges: Vec<Exchange>,
    /// Hosts that cannot do it, each with a sentence that `docs/hosts.md` has.
    pub(crate) except: Vec<(Host, &'static str)>,
}

/// One request, and what has to come of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: &'static str,
    /// `@` stands for the case.
    pub(crate) target: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// What is asked of the upstream: exactly these, in this order.
    pub(crate) up: Vec<Up>,
    /// Asked of the upstream behind the client's back.
    pub(crate) later: Vec<Up>,
    pub(crate) status: Vec<u16>,
    pub(crate) checks: Vec<(&'static str, Check)>,
    pub(crate) answer: Option<String>,
    /// Whether the answer's body breaks off.
    pub(crate) broken: bool,
    /// What the upstream saw in the last request of this exchange.
    pub(crate) seen: Vec<(&'static str, Check)>,
    pub(crate) seen_body: Option<&'static str>,
    pub(crate) seen_target: Option<String>,
}

/// What a field has to be.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Is(String),
    Has(String),
    HasNot(String),
    Absent,
    Present,
}

impl Check {
    pub(crate) fn failure(&self, name: &str, value: Option<&str>) -> Option<String> {
        let right = match (self, value) {
            (Self::Is(wanted), Some(value)) => value == wanted,
            (Self::Has(part), Some(value)) => value.contains(part.as_str()),
            (Self::HasNot(part), Some(value)) => !value.contains(part.as_str()),
            (Self::Present, Some(_)) | (Self::Absent | Self::HasNot(_), None) => true,
            _ => false,
        };
        (!right).then(|| format!("{name}: {value:?}, wanted {self:?}"))
    }
}

/// A case of these exchanges.
pub(crate) fn case(name: &'static str, exchanges: impl IntoIterator<Item = Exchange>) -> Case {
    Case {
        name,
        exchanges: exchanges.into_iter().collect(),
        except: Vec::new(),
    }
}

impl Case {
    /// A host cannot do this; the sentence stands in `docs/hosts.md`.
    pub(crate) fn except(mut self, host: Host, why: &'static str) -> Self {
        self.except.push((host, why));
        self
    }

    /// The name as a path segment.
    pub(crate) fn slug(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        self.name.chars().map(plain).collect()
    }
}

/// A request of that method.
pub(crate) fn send(method: &'static str, target: &str) -> Exchange {
    Exchange {
        method,
        target: target.to_owned(),
        fields: Vec::new(),
        body: String::new(),
        up: Vec::new(),
        later: Vec::new(),
        status: vec![200],
        checks: Vec::new(),
        answer: None,
        broken: false,
        seen: Vec::new(),
        seen_body: None,
        seen_target: None,
    }
}

pub(crate) fn get(target: &str) -> Exchange {
    send("GET", target)
}

pub(crate) fn post(target: &str, body: &str) -> Exchange {
    let mut exchange = send("POST", target);
    body.clone_into(&mut exchange.body);
    exchange
}

impl Exchange {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(crate) fn up(mut self, up: Up) -> Self {
        self.up.push(up);
        self
    }

    pub(crate) fn later(mut self, up: Up) -> Self {
        self.later.push(up);
        self
    }

    pub(crate) fn gives(mut self, status: u16) -> Self {
        self.status = vec![status];
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.answer = Some(body.to_owned());
        self
    }

    pub(crate) fn breaks_off(mut self) -> Self {
        self.broken = true;
        self
    }

    pub(crate) fn is(mut self, name: &'static str, value: &str) -> Self {
        self.checks.push((name, Check::Is(value.to_owned())));
        self
    }

    pub(crate) fn has(mut self, name: &'static str, part: &str) -> Self {
        self.checks.push((name, Check::Has(part.to_owned())));
        self
    }

    pub(crate) fn has_not(mut self, name: &'static str, part: &str) -> Self {
        self.checks.push((name, Check::HasNot(part.to_owned())));
        self
    }

    pub(crate) fn lacks(mut self, name: &'static str) -> Self {
        self.checks.push((name, Check::Absent));
        self
    }

    pub(crate) fn carries(mut self, name: &'static str) -> Self {
        self.checks.push((name, Check::Present));
        self
    }

    /// `Cache-Status` has this.
    pub(crate) fn cache(self, part: &str) -> Self {
        self.has("cache-status", part)
    }

    /// A hit: the upstream is not asked.
    pub(crate) fn hit(self) -> Self {
        self.cache("; hit")
    }

    /// A miss that is stored.
    pub(crate) fn miss(self) -> Self {
        self.cache("fwd=uri-miss").cache("; stored")
    }

    pub(crate) fn sees(mut self, name: &'static str, value: &str) -> Self {
        self.seen.push((name, Check::Is(value.to_owned())));
        self
    }

    pub(crate) fn sees_in(mut self, name: &'static str, part: &str) -> Self {
        self.seen.push((name, Check::Has(part.to_owned())));
        self
    }

    pub(crate) fn sees_no(mut self, name: &'static str) -> Self {
        self.seen.push((name, Check::Absent));
        self
    }

    pub(crate) fn sees_body(mut self, body: &'static str) -> Self {
        self.seen_body = Some(body);
        self
    }

    pub(crate) fn sees_target(mut self, target: &str) -> Self {
        self.seen_target = Some(target.to_owned());
        self
    }
}

/// The upstream answers with 200.
pub(crate) fn ok(body: &str) -> Up {
    Up::new(200, body)
}

/// The upstream answers with a status.
pub(crate) fn status(status: u16) -> Up {
    Up::new(status, "")
}

/// The upstream's answer goes wrong.
pub(crate) fn fault(fault: Fault) -> Up {
    Up {
        fault,
        ..Up::new(200, "hel")
    }
}

impl Up {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// `Cache-Control`.
    pub(crate) fn cc(self, value: &str) -> Self {
        self.with("cache-control", value)
    }
}
