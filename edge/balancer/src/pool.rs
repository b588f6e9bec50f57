//! The servers of an upstream, and who of them is in question.

use std::sync::Arc;
use std::time::Duration;

use crate::outlier::{self, OutlierConfig};
use crate::policy::{self, Chooser, Policy};
use crate::server::Server;

/// What a choice depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Now.
    pub now: Duration,
    /// A random number.
    pub random: u64,
    /// The hash of what a hash ring goes by.
    pub key: u64,
    /// Servers that have been tried already.
    pub avoid: &'a [usize],
}

/// The servers of an upstream. A change of servers is a new pool with the same [`Server`]s.
#[derive(Debug)]
pub struct Pool {
    servers: Vec<Arc<Server>>,
    chooser: Chooser,
    outlier: Option<OutlierConfig>,
    slow_start: Duration,
}

impl Pool {
    /// A pool. `slow_start` is how long a server that comes back takes to its full weight.
    #[must_use]
    pub fn new(
        servers: Vec<Arc<Server>>,
        policy: Policy,
        outlier: Option<OutlierConfig>,
        slow_start: Duration,
    ) -> Self {
        let chooser = Chooser::new(policy, servers.iter().map(|server| &**server));
        Self {
            servers,
            chooser,
            outlier,
            slow_start,
        }
    }

    /// All servers.
    #[must_use]
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// Whether choosing takes no clock, no randomness and no key, because there is no choice.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        self.servers.len() == 1
    }

    /// The server to ask: a usable one; any when none is usable, because a server that may be down
    /// is better than none. None when all that are left have been tried.
    #[must_use]
    pub fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        if self.is_trivial() {
            return ask.avoid.is_empty().then_some(0);
        }
        let usable = |index: usize| self.servers[index].is_usable(ask.now);
        let fresh = |index: usize| !ask.avoid.contains(&index);
        self.choose(ask, |index| usable(index) && fresh(index))
            .or_else(|| {
                let none = !(0..self.servers.len()).any(usable);
                none.then(|| self.choose(ask, fresh)).flatten()
            })
    }

    fn choose(&self, ask: &Ask<'_>, in_question: impl Fn(usize) -> bool) -> Option<usize> {
        let server = |index: usize| &*self.servers[index];
        let at = (self.servers.len(), ask.now, self.slow_start);
        match &self.chooser {
            Chooser::P2c => policy::p2c(ask.random, server, at, in_question),
            Chooser::LeastConnections => {
                policy::least_connections(ask.random, server, at, in_question)
            }
            Chooser::RingHash(ring) => ring.choose(ask.key, server, at, in_question),
            Chooser::RoundRobin(turns) => turns.choose(server, at, in_question),
        }
    }

    /// Notes whether a server has answered well; true when it is put out for it.
    pub fn record(&self, server: &Server, good: bool, now: Duration) -> bool {
        let Some(config) = &self.outlier else {
            return false;
        };
        let all = self.servers.iter().map(|server| &**server);
        server.outlier.note(config, good) && outlier::eject(config, server, all, now)
    }

    /// Looks at what the last interval has counted, to be called once an interval; how many servers
    /// were put out.
    pub fn look(&self, now: Duration) -> usize {
        let all = self.servers.iter().map(|server| &**server);
        self.outlier
            .as_ref()
            .map_or(0, |config| outlier::look(config, all, now))
    }
}
