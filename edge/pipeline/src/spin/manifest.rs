//! A Spin manifest of version 2, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use sha2::{Digest as _, Sha256};
use toml::{Spanned, Value};

use super::file::{ComponentFile, HttpTrigger, ManifestFile, Unsupported, VariableFile, Version};
use super::hosts;
use super::route::SpinRoute;
use super::template::{Template, is_variable_name};
use super::variables::Variable;
use crate::config::{ConfigError, Place, hex, is_name};

/// A Spin manifest of version 2, checked. Its variables have no values yet.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The application's name.
    pub name: String,
    /// The application's version, as written.
    pub version: String,
    /// What the application is.
    pub description: String,
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) components: BTreeMap<String, Component>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) file: String,
    pub(super) sha256: String,
}

/// A component that a trigger names.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) source: PathBuf,
    pub(super) hosts: Vec<Placed<Template>>,
    pub(super) stores: BTreeSet<String>,
    pub(super) variables: BTreeMap<String, Placed<Template>>,
    pub(super) environment: BTreeMap<String, String>,
}

/// An HTTP trigger.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) route: SpinRoute,
    pub(super) component: String,
    pub(super) position: (usize, usize),
}

/// Something, and the line and column where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) position: (usize, usize),
}

impl Manifest {
    /// Reads a manifest from a file; the components' files are looked up beside it.
    ///
    /// # Errors
    ///
    /// That the file cannot be read, or as [`Manifest::parse`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::parse(&text, &path.display().to_string(), folder)
    }

    /// Reads a manifest. `file` is its name in errors, `folder` where relative paths begin.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong or not supported, with file, line and column.
    pub fn parse(text: &str, file: &str, folder: &Path) -> Result<Self, ConfigError> {
        let place = Place { text, file };
        check_version(&place)?;
        let read: ManifestFile = toml::from_str(text).map_err(|error| place.toml(&error))?;
        let variables = read
            .variables
            .into_iter()
            .map(|(name, variable)| check_variable(&place, name, variable))
            .collect::<Result<_, _>>()?;
        let reader = Reader {
            place,
            folder,
            variables: &variables,
        };
        reader.supported("application.trigger", &read.application.trigger)?;
        let triggers = &read.trigger;
        for (key, found) in [
            ("trigger.redis", &triggers.redis),
            ("trigger.mqtt", &triggers.mqtt),
            ("trigger.sqs", &triggers.sqs),
            ("trigger.cron", &triggers.cron),
            ("trigger.command", &triggers.command),
        ] {
            reader.supported(key, found)?;
        }
        let mut components = BTreeMap::new();
        for (name, component) in read.component {
            let checked = reader.component(component)?;
            components.insert(reader.name_of("component", name)?, checked);
        }
        let mut checked: Vec<Trigger> = Vec::new();
        for (index, trigger) in read.trigger.http.into_iter().enumerate() {
            let trigger = reader.trigger(index, trigger, &mut components)?;
            if checked.iter().any(|other| other.route == trigger.route) {
                let message = format!("two triggers have the route {:?}", trigger.route.raw());
                return Err(reader.error(trigger.position, message));
            }
            checked.push(trigger);
        }
        if checked.is_empty() {
            return Err(reader.error((1, 1), "there is no `[[trigger.http]]`"));
        }
        components.retain(|name, _| checked.iter().any(|trigger| trigger.component == *name));
        Ok(Self {
            name: read.application.name.into_inner(),
            version: read.application.version,
            description: read.application.description,
            components,
            triggers: checked,
            file: file.to_owned(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
            variables,
        })
    }

    pub(super) fn error(
        &self,
        position: (usize, usize),
        message: impl Into<String>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            position: Some(position),
            message: message.into(),
        }
    }
}

fn check_version(place: &Place<'_>) -> Result<(), ConfigError> {
    let version: Version = toml::from_str(place.text).map_err(|error| place.toml(&error))?;
    let Some(number) = version.spin_manifest_version.or(version.spin_version) else {
        return Err(place.at(0..0, "`spin_manifest_version = 2` is missing"));
    };
    match number.get_ref() {
        Value::Integer(2) => Ok(()),
        other => Err(place.at(
            number.span(),
            format!("the manifest's version is {other}; only version 2 is supported here"),
        )),
    }
}

fn check_variable(
    place: &Place<'_>,
    name: Spanned<String>,
    variable: VariableFile,
) -> Result<(String, Variable), ConfigError> {
    let text = name.get_ref();
    if !is_variable_name(text) {
        let message = format!(
            "the variable name {text:?} must be lower-case letters, digits and `_`, beginning with a \
             letter"
        );
        return Err(place.at(name.span(), message));
    }
    match &variable.default {
        None if !variable.required => {
            let message = format!("the variable {text:?} needs `default` or `required = true`");
            return Err(place.at(name.span(), message));
        }
        Some(default) if variable.required => {
            let message = format!("the variable {text:?} is required, so it has no `default`");
            return Err(place.at(default.span(), message));
        }
        _ => {}
    }
    let checked = Variable {
        default: variable.default.map(Spanned::into_inner),
        position: place.position(name.span()),
    };
    Ok((name.into_inner(), checked))
}

/// What judging needs to know.
struct Reader<'a> {
    place: Place<'a>,
    folder: &'a Path,
    variables: &'a BTreeMap<String, Variable>,
}

impl Reader<'_> {
    fn error(&self, position: (usize, usize), message: impl Into<String>) -> ConfigError {
        ConfigError {
            position: Some(position),
            ..self.place.at(0..0, message)
        }
    }

    fn supported(&self, key: &str, found: &Unsupported) -> Result<(), ConfigError> {
        match found {
            None => Ok(()),
            Some(found) => Err(self
                .place
                .at(found.span(), format!("not supported here: `{key}`"))),
        }
    }

    /// Templates of applications like to write empty lists.
    fn empty(&self, key: &str, found: Option<&Spanned<Value>>) -> Result<(), ConfigError> {
        let Some(found) = found else { return Ok(()) };
        match found.get_ref() {
            Value::Array(list) if list.is_empty() => Ok(()),
            Value::Table(table) if table.is_empty() => Ok(()),
            _ => Err(self
                .place
                .at(found.span(), format!("not supported here: `{key}`"))),
        }
    }

    fn name_of(&self, kind: &str, name: Spanned<String>) -> Result<String, ConfigError> {
        if is_name(name.get_ref()) {
            return Ok(name.into_inner());
        }
        let message = format!(
            "the {kind} name {:?} must be 1 to 64 lower-case letters, digits, `-` or `_`",
            name.get_ref()
        );
        Err(self.place.at(name.span(), message))
    }

    fn template(&self, text: &Spanned<String>) -> Result<Placed<Template>, ConfigError> {
        let refuse = |message: String| self.place.at(text.span(), message);
        let template = Template::parse(text.get_ref()).map_err(refuse)?;
        let unknown = |name: &&str| !self.variables.contains_key(*name);
        if let Some(name) = template.variables().find(unknown) {
            return Err(refuse(format!(
                "the application has no variable {name:?} in `[variables]`"
            )));
        }
        Ok(Placed {
            value: template,
            position: self.place.position(text.span()),
        })
    }

    fn component(&self, component: ComponentFile) -> Result<Component, ConfigError> {
        let place = &self.place;
        let source = match component.source.get_ref() {
            Value::String(path) => self.folder.join(path),
            _ => {
                let message = "not supported here: a `source` other than a file's path";
                return Err(place.at(component.source.span(), message));
            }
        };
        for (key, found) in [
            ("files", &component.files),
            ("sqlite_databases", &component.sqlite_databases),
            ("ai_models", &component.ai_models),
            ("dependencies", &component.dependencies),
        ] {
            self.empty(key, found.as_ref())?;
        }
        self.supported("allowed_http_hosts", &component.allowed_http_hosts)?;
        self.supported("profile", &component.profile)?;
        if component.dependencies_inherit_configuration {
            let message = "not supported here: `dependencies_inherit_configuration`";
            return Err(place.at(component.source.span(), message));
        }
        let mut found_hosts = Vec::new();
        for host in &component.allowed_outbound_hosts {
            let template = self.template(host)?;
            if template.value.variables().next().is_none() {
                hosts::parse(host.get_ref()).map_err(|why| place.at(host.span(), why))?;
            }
            found_hosts.push(template);
        }
        let mut stores = BTreeSet::new();
        for label in component.key_value_stores {
            stores.insert(self.name_of("store", label)?);
        }
        let mut variables = BTreeMap::new();
        for (name, text) in component.variables {
            if !is_variable_name(name.get_ref()) {
                let message = format!("{:?} is not a variable's name", name.get_ref());
                return Err(place.at(name.span(), message));
            }
            variables.insert(name.into_inner(), self.template(&text)?);
        }
        let mut environment = BTreeMap::new();
        for (name, value) in component.environment {
            let text = name.get_ref();
            if text.is_empty() || text.contains(['=', '\0']) || value.contains('\0') {
                let message = format!("{text:?} cannot be a variable of an environment");
                return Err(place.at(name.span(), message));
            }
            environment.insert(name.into_inner(), value);
        }
        Ok(Component {
            source,
            hosts: found_hosts,
            stores,
            variables,
            environment,
        })
    }

    fn trigger(
        &self,
        index: usize,
        trigger: Spanned<HttpTrigger>,
        components: &mut BTreeMap<String, Component>,
    ) -> Result<Trigger, ConfigError> {
        let place = &self.place;
        let span = trigger.span();
        let trigger = trigger.into_inner();
        self.supported("static_response", &trigger.static_response)?;
        self.supported("components", &trigger.components)?;
        if let Some(executor) = &trigger.executor
            && executor.get_ref().kind != "http"
        {
            let message = format!(
                "not supported here: the executor {:?}",
                executor.get_ref().kind
            );
            return Err(place.at(executor.span(), message));
        }
        let route = match trigger.route.get_ref() {
            Value::String(route) => {
                SpinRoute::parse(route).map_err(|why| place.at(trigger.route.span(), why))?
            }
            _ => {
                let message = "not supported here: a private route";
                return Err(place.at(trigger.route.span(), message));
            }
        };
        let Some(named) = trigger.component else {
            return Err(place.at(span, "the trigger has no `component`"));
        };
        let component = match named.get_ref() {
            Value::String(name) if components.contains_key(name) => name.clone(),
            Value::String(name) => {
                return Err(place.at(named.span(), format!("there is no component {name:?}")));
            }
            _ => {
                let name = format!("inline-{index}");
                components.insert(name.clone(), self.inline(&named)?);
                name
            }
        };
        Ok(Trigger {
            route,
            component,
            position: place.position(trigger.route.span()),
        })
    }

    /// A component that stands in its trigger. It is read again from its own text, moved to where it
    /// stands, so that errors keep their places.
    fn inline(&self, table: &Spanned<Value>) -> Result<Component, ConfigError> {
        const KEY: &str = "c=";
        let span = table.span();
        let text = self.place.text.get(span.clone()).unwrap_or_default();
        let moved = format!("{}{KEY}{text}", " ".repeat(span.start - KEY.len()));
        #[derive(serde::Deserialize)]
        struct Inline {
            c: ComponentFile,
        }
        let read = toml::Deserializer::parse(&moved)
            .and_then(Inline::deserialize)
            .map_err(|error| self.place.toml(&error))?;
        self.component(read.c)
    }
}
