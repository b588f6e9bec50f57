//! Components linked with each other, as users of middleware link them.

use std::path::Path;

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

/// Puts middleware before an application; gives the component of both.
///
/// # Panics
///
/// One of the files is no component, or they do not fit.
#[must_use]
pub fn before(middleware: &Path, application: &Path) -> Vec<u8> {
    let mut graph = CompositionGraph::new();
    let mut package = |name: &str, file: &Path| {
        let package = Package::from_file(name, None, file, graph.types_mut());
        let package = package.unwrap_or_else(|error| panic!("{}: {error:#}", file.display()));
        graph.register_package(package).expect("a name of its own")
    };
    let application = package("test:application", application);
    let middleware = package("test:middleware", middleware);
    wac_graph::plug(&mut graph, vec![application], middleware).expect("they fit");
    graph.encode(EncodeOptions::default()).expect("a component")
}
