//! The values of an application's variables.

use std::collections::BTreeMap;

/// A variable that the application declares.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// Its value when nobody gives one; none: somebody has to.
    pub(super) default: Option<String>,
    /// Line and column of its declaration.
    pub(super) position: (usize, usize),
}

/// What of the process environment gives variables their values.
const PREFIX: &str = "SPIN_VARIABLE_";

/// The environment variable that gives a variable its value.
pub(super) fn environment_name(variable: &str) -> String {
    format!("{PREFIX}{}", variable.to_ascii_uppercase())
}

/// The values of all variables: from the environment, else the default. A variable without a value
/// is left out; it is an error only where it is used.
pub(super) fn values(
    declared: &BTreeMap<String, Variable>,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    declared
        .iter()
        .filter_map(|(name, variable)| {
            let given = environment.get(&environment_name(name));
            let value = given.or(variable.default.as_ref())?;
            Some((name.clone(), value.clone()))
        })
        .collect()
}
