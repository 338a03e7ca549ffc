//! Puts the layers on top of each other, flag over environment over file over default, and checks
//! every value of every layer: also one that a higher layer hides.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::component::ComponentSource;
use super::file::{self, SettingsFile};
use super::handler::HandlerConfig;
use super::mistake::{Mistake, Mistakes, Origin};
use super::setting::{ENVIRONMENT_PREFIX, Given, Repeat, SETTINGS, Setting, closest, defaults};
use super::source;
use super::{AdminListen, Config, TlsSettings};

/// What the command line says, not yet checked.
#[derive(Default)]
pub struct Flags {
    /// The settings that were given, each with its values.
    pub settings: Vec<(&'static Setting, Vec<String>)>,
    /// The settings file, where one was named.
    pub config: Option<PathBuf>,
    /// The component or directory to serve, where one was named.
    pub component: Option<PathBuf>,
}

/// Where a configuration comes from, to be looked at as often as one likes.
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where relative paths begin; an empty one stands for the current directory.
    pub directory: PathBuf,
}

/// What the layers say at one time.
pub(super) struct Layers {
    given: [Vec<Given>; 3],
    /// The whole, without the handlers.
    pub(super) merged: Config,
    file: SettingsFile,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl Sources {
    /// Makes the configuration from all layers, and warnings about what was ignored.
    ///
    /// # Errors
    /// Every mistake of every layer.
    pub fn resolve(&self) -> Result<(Config, Vec<String>), Mistakes> {
        let mut layers = self.read();
        let mut config = layers.merged.clone();
        config.handlers = self.find(&mut layers, &config);
        Mistakes::among(layers.mistakes)?;
        Ok((config, layers.warnings))
    }

    /// The settings alone, for what serves nothing.
    ///
    /// # Errors
    /// Every mistake of every layer.
    pub fn settings(&self) -> Result<Config, Mistakes> {
        let layers = self.read();
        let merged = layers.merged.clone();
        layers.sound().map(|()| merged)
    }

    /// Makes the handlers once more, with a `host` whose settings stay as they are, and tells whether those
    /// would be others by now.
    ///
    /// # Errors
    /// Every mistake of every layer.
    pub fn resolve_handlers(&self, host: &Config) -> Result<(Vec<HandlerConfig>, bool), Mistakes> {
        let mut layers = self.read();
        let handlers = self.find(&mut layers, host);
        Mistakes::among(layers.mistakes)?;
        let settings = |config: &Config| format!("{:?}", Config { handlers: Vec::new(), ..config.clone() });
        Ok((handlers, settings(&layers.merged) != settings(host)))
    }

    /// The files and directories that say what is served, beside the components.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![file::path(self.flags.config.as_deref(), &self.directory)];
        let component = self.flags.component.as_deref().unwrap_or(Path::new(source::HANDLERS));
        if let Ok(ComponentSource::File(path)) = ComponentSource::read(component, &self.directory) {
            paths.push(path);
        }
        paths
    }

    pub(super) fn read(&self) -> Layers {
        let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
        let environment = self.environment.iter().cloned();
        let from_environment = environment_layer(environment, &mut mistakes, &mut warnings);
        let mut file = file::load(self.flags.config.as_deref(), &self.directory, &mut mistakes);
        let given = [flag_layer(&self.flags), from_environment, std::mem::take(&mut file.given)];
        for layer in &given {
            check(layer, &mut mistakes);
        }
        let merged = merge(&given);
        // Two values can only contradict each other once each is sound.
        if mistakes.is_empty() {
            mistakes.extend(contradiction(&merged, &given));
            mistakes.extend(shared_in_vain(&merged, &given));
            mistakes.extend(exposure(&merged));
            mistakes.extend(half_of_tls(&merged.net.tls, &given));
        }
        Layers { given, merged, file, mistakes, warnings }
    }

    pub(super) fn find(&self, layers: &mut Layers, host: &Config) -> Vec<HandlerConfig> {
        let file = std::mem::take(&mut layers.file);
        source::find(self.flags.component.as_deref(), file, &self.directory, host, &mut layers.mistakes)
    }
}

impl Layers {
    /// The values of a setting and where they come from; none where it has its default.
    pub(super) fn given(&self, setting: &Setting) -> Option<&[(String, Origin)]> {
        highest(&self.given, setting).map(|given| given.values.as_slice())
    }

    /// Nothing if there are no mistakes, else all of them.
    pub(super) fn sound(self) -> Result<(), Mistakes> {
        Mistakes::among(self.mistakes)
    }
}

fn flag_layer(flags: &Flags) -> Vec<Given> {
    let given = |(setting, values): &(&'static Setting, Vec<String>)| Given {
        setting,
        values: values.iter().map(|value| (value.clone(), Origin::Flag)).collect(),
    };
    flags.settings.iter().map(given).collect()
}

fn environment_layer(
    environment: impl Iterator<Item = (OsString, OsString)>,
    mistakes: &mut Vec<Mistake>,
    warnings: &mut Vec<String>,
) -> Vec<Given> {
    let mut layer = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT_PREFIX)) else {
            continue;
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.environment().as_deref() == Some(name))
        else {
            warnings.push(ignored(name));
            continue;
        };
        match value.into_string() {
            Ok(value) => layer.push(Given { setting, values: environment_values(setting, &value) }),
            Err(_) => mistakes.push(Mistake {
                what: format!("`{name}` is not UTF-8"),
                fix: format!("write `{}`", setting.assignment(&Origin::Environment, None)),
                origin: Origin::Environment,
            }),
        }
    }
    // The order of the environment is nobody's choice.
    warnings.sort();
    layer
}

fn environment_values(setting: &Setting, value: &str) -> Vec<(String, Origin)> {
    let one = |value: &str| (value.to_owned(), Origin::Environment);
    match setting.repeat {
        Repeat::Many { env_separator: Some(separator) } => {
            value.split(separator).map(str::trim).filter(|value| !value.is_empty()).map(one).collect()
        }
        Repeat::Many { env_separator: None } | Repeat::Once => vec![one(value)],
    }
}

fn ignored(name: &str) -> String {
    let list = SETTINGS
        .iter()
        .find(|setting| setting.environment().is_none() && name == setting.name_in_environment());
    if let Some(list) = list {
        return format!("`{name}` is ignored: set `--{}` or the key `{}` instead", list.name, list.name);
    }
    match closest(name, SETTINGS.iter().filter_map(Setting::environment)) {
        Some(meant) => format!("`{name}` is ignored: did you mean `{meant}`?"),
        None => format!("`{name}` is ignored: there is no such setting"),
    }
}

/// Checks one layer by itself, so that a list that says something twice is noticed.
fn check(layer: &[Given], mistakes: &mut Vec<Mistake>) {
    let mut scratch = defaults();
    for given in layer {
        for (value, origin) in &given.values {
            if let Err(refusal) = given.setting.store(&mut scratch, value) {
                mistakes.push(given.setting.mistake(origin.clone(), value, refusal));
            }
        }
    }
}

/// Stores each setting's value from the highest layer that gives one.
fn merge(layers: &[Vec<Given>]) -> Config {
    let mut config = defaults();
    for setting in SETTINGS {
        let values = match highest(layers, setting) {
            Some(given) => given.values.iter().map(|(value, _)| value.as_str()).collect(),
            None if setting.default.is_empty() => Vec::new(),
            None => vec![setting.default],
        };
        for value in values {
            // What is refused here was reported by `check`.
            let _ = setting.store(&mut config, value);
        }
    }
    config
}

fn highest<'a>(layers: &'a [Vec<Given>], setting: &Setting) -> Option<&'a Given> {
    layers.iter().find_map(|layer| layer.iter().find(|given| given.setting.name == setting.name))
}

/// A handler cannot have more instances than there are.
fn contradiction(config: &Config, layers: &[Vec<Given>]) -> Option<Mistake> {
    let (instances, concurrency) = (config.admission.instances, config.admission.concurrency);
    if concurrency <= instances {
        return None;
    }
    let setting = Setting::find("concurrency")?;
    let (_, origin) = highest(layers, setting)?.values.last()?.clone();
    Some(Mistake {
        what: format!("`concurrency` is {concurrency}, which is more than `instances` ({instances})"),
        fix: format!(
            "write `{}`, or raise `instances`",
            setting.assignment(&origin, Some(&instances.to_string()))
        ),
        origin,
    })
}

/// Instances that serve several requests at once are used again, and have no fuel of their own.
fn shared_in_vain(config: &Config, layers: &[Vec<Given>]) -> Option<Mistake> {
    let (what, fix) = config.reuse.contradiction(config.limits.fuel)?;
    let (_, origin) = highest(layers, Setting::find("reuse-concurrency")?)?.values.last()?.clone();
    Some(Mistake { what: what.to_owned(), fix: fix.to_owned(), origin })
}

/// An admin side that other machines reach needs a token. What is missing was given nowhere, so it is
/// not the address that is at fault.
fn exposure(config: &Config) -> Option<Mistake> {
    match config.admin.listen {
        AdminListen::At(address) if config.admin.token.is_none() && !address.ip().is_loopback() => {
            let token = Setting::find("admin-token")?;
            Some(Mistake {
                what: format!(
                    "`admin` is {address}, which other machines may reach, and there is no `admin-token`"
                ),
                fix: format!(
                    "set `{}`, or listen on {}",
                    token.assignment(&Origin::Environment, None),
                    AdminListen::USUAL
                ),
                origin: Origin::Nowhere,
            })
        }
        AdminListen::At(_) | AdminListen::Usual | AdminListen::Off => None,
    }
}

/// A certificate is of no use without its key, nor is anything else of TLS without both.
fn half_of_tls(tls: &TlsSettings, layers: &[Vec<Given>]) -> Option<Mistake> {
    let (given, missing, example) = match (&tls.cert, &tls.key, &tls.client_ca) {
        (Some(_), Some(_), _) | (None, None, None) => return None,
        (Some(_), None, _) => ("tls-cert", "tls-key", "key.pem"),
        (None, Some(_), _) => ("tls-key", "tls-cert", "cert.pem"),
        (None, None, Some(_)) => ("tls-client-ca", "tls-cert", "cert.pem"),
    };
    let (_, origin) = highest(layers, Setting::find(given)?)?.values.last()?.clone();
    let assignment = Setting::find(missing)?.assignment(&origin, Some(example));
    Some(Mistake {
        what: format!("`{given}` is set, but `{missing}` is not"),
        fix: format!("write `{assignment}`, too, or leave `{given}` out"),
        origin,
    })
}

#[cfg(test)]
mod tests;
