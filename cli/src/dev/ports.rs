//! Which port each part of `dev` listens on, and whether they are free.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};

use super::options::Options;

/// The ports of everything that `dev` starts. 0 stands for any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The origin's.
    pub(crate) origin: u16,
    /// Those of each edge node.
    pub(crate) edges: Vec<EdgePorts>,
}

/// The two ports of an edge node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EdgePorts {
    /// Where clients connect.
    pub(crate) http: u16,
    /// Where health and metrics are.
    pub(crate) admin: u16,
}

/// Why the ports cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PortError {
    /// Something else listens there, or may not be bound.
    Unusable {
        port: u16,
        user: String,
        option: &'static str,
        reason: String,
    },
    /// Two options name one port.
    Twice { port: u16 },
    /// The following pairs of ports reach beyond 65535.
    TooHigh { edges: u16 },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::Unusable {
                port,
                user,
                option,
                reason,
            } => {
                write!(
                    f,
                    "port {port} for {user} {reason}; choose another with {option}"
                )
            }
            PortError::Twice { port } => {
                write!(
                    f,
                    "port {port} is given twice among --edge-port, --edge-admin-port and --origin-port"
                )
            }
            PortError::TooHigh { edges } => {
                write!(
                    f,
                    "there are not enough ports above the given ones for {edges} edge nodes"
                )
            }
        }
    }
}

impl std::error::Error for PortError {}

impl Ports {
    /// Edge nodes after the first take the next pairs at the same distance from the first's ports,
    /// and skip a pair when one of its ports is in use already: 8080 and 9080, then, the origin
    /// being on 8081, 8082 and 9082.
    pub(crate) fn plan(options: &Options) -> Result<Ports, PortError> {
        if options.edges == 0 {
            return Ok(Ports {
                origin: options.origin_port,
                edges: Vec::new(),
            });
        }
        let first = EdgePorts {
            http: options.edge_port,
            admin: options.edge_admin_port,
        };
        let mut taken = vec![options.origin_port];
        for port in [first.http, first.admin] {
            if port != 0 && taken.contains(&port) {
                return Err(PortError::Twice { port });
            }
            taken.push(port);
        }

        let mut edges = vec![first];
        let mut distance = 0;
        while edges.len() < usize::from(options.edges) {
            distance += 1;
            let too_high = PortError::TooHigh {
                edges: options.edges,
            };
            let (Some(http), Some(admin)) = (at(first.http, distance), at(first.admin, distance))
            else {
                return Err(too_high);
            };
            let next = EdgePorts { http, admin };
            let free = [http, admin]
                .iter()
                .all(|port| *port == 0 || !taken.contains(port));
            if free && (http != admin || http == 0) {
                taken.extend([http, admin]);
                edges.push(next);
            }
        }
        Ok(Ports {
            origin: options.origin_port,
            edges,
        })
    }

    /// Binds each port for a moment. Nothing is started when one of them is taken.
    pub(crate) fn check(&self) -> Result<(), PortError> {
        probe(self.origin, "--origin-port", || "the origin".to_owned())?;
        for (index, edge) in self.edges.iter().enumerate() {
            let number = index + 1;
            probe(edge.http, "--edge-port", || format!("edge node {number}"))?;
            probe(edge.admin, "--edge-admin-port", || {
                format!("edge node {number}'s admin listener")
            })?;
        }
        Ok(())
    }
}

fn at(port: u16, distance: u16) -> Option<u16> {
    if port == 0 {
        Some(0)
    } else {
        port.checked_add(distance)
    }
}

fn probe(port: u16, option: &'static str, user: impl Fn() -> String) -> Result<(), PortError> {
    // The edge listens with SO_REUSEPORT, and so would share a port with another edge node of the
    // same user. A plain listener here does not, and so finds it.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .map_err(|error| PortError::Unusable {
            port,
            user: user(),
            option,
            reason: match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("is taken: another program listens on 127.0.0.1:{port}")
                }
                _ => format!("cannot be used: {error}"),
            },
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(edges: u16, edge_port: u16, edge_admin_port: u16, origin_port: u16) -> Options {
        Options {
            edges,
            edge_port,
            edge_admin_port,
            origin_port,
            data: None,
            listings: 1,
            no_seed: false,
        }
    }

    #[test]
    fn further_edges_skip_the_origins_port() {
        let ports = Ports::plan(&options(3, 8080, 9080, 8081)).unwrap();
        let pairs: Vec<_> = ports
            .edges
            .iter()
            .map(|edge| (edge.http, edge.admin))
            .collect();
        assert_eq!(pairs, [(8080, 9080), (8082, 9082), (8083, 9083)]);
    }

    #[test]
    fn neighbouring_ports_never_meet() {
        let ports = Ports::plan(&options(4, 8080, 8081, 8082)).unwrap();
        let mut all: Vec<u16> = ports.edges.iter().flat_map(|e| [e.http, e.admin]).collect();
        all.push(ports.origin);
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count, "{ports:?}");
    }

    #[test]
    fn without_edges_only_the_origin_has_a_port() {
        let ports = Ports::plan(&options(0, 8081, 8081, 8081)).unwrap();
        assert_eq!((ports.origin, ports.edges.len()), (8081, 0));
    }

    #[test]
    fn any_free_port_can_be_asked_for() {
        let ports = Ports::plan(&options(2, 0, 0, 0)).unwrap();
        assert_eq!(ports.edges, [EdgePorts { http: 0, admin: 0 }; 2]);
        ports.check().unwrap();
    }

    #[test]
    fn impossible_plans_are_refused() {
        assert_eq!(
            Ports::plan(&options(1, 80, 81, 80)),
            Err(PortError::Twice { port: 80 })
        );
        assert_eq!(
            Ports::plan(&options(1, 80, 80, 81)),
            Err(PortError::Twice { port: 80 })
        );
        assert_eq!(
            Ports::plan(&options(3, 65534, 9080, 81)),
            Err(PortError::TooHigh { edges: 3 })
        );
    }

    #[test]
    fn a_taken_port_is_named_with_its_option() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let error = Ports::plan(&options(1, 0, port, 0))
            .unwrap()
            .check()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "port {port} for edge node 1's admin listener is taken: another program listens on \
                 127.0.0.1:{port}; choose another with --edge-admin-port"
            )
        );
    }
}
