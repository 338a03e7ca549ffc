//! Puts the layers on top of each other, flag over environment over file over default, and checks
//! every value of every layer: also one that a higher layer hides.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::file;
use super::mistake::{Mistake, Mistakes, Origin};
use super::setting::{ENVIRONMENT_PREFIX, Given, Repeat, SETTINGS, Setting, closest, defaults};
use super::source::HandlerSource;
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

/// Makes the configuration from all layers, and warnings about what was ignored. Relative paths are
/// taken from `directory`; an empty one stands for the current directory.
///
/// # Errors
/// Every mistake of every layer.
pub fn resolve(
    flags: &Flags,
    environment: impl Iterator<Item = (OsString, OsString)>,
    directory: &Path,
) -> Result<(Config, Vec<String>), Mistakes> {
    let mut mistakes = Vec::new();
    let mut warnings = Vec::new();
    let from_environment = environment_layer(environment, &mut mistakes, &mut warnings);
    let from_file = file::load(flags.config.as_deref(), directory, &mut mistakes);
    let layers = [flag_layer(flags), from_environment, from_file.given];
    for layer in &layers {
        check(layer, &mut mistakes);
    }
    let named = match &flags.component {
        Some(path) => {
            let path = directory.join(path);
            Some((path.clone(), Origin::Path(path)))
        }
        None => from_file.component,
    };
    let source = HandlerSource::find(named, directory)
        .map_err(|mistake| mistakes.push(mistake))
        .unwrap_or(HandlerSource::BuiltIn);
    let config = Config { source, ..merge(&layers) };
    // Two values can only contradict each other once each is sound.
    if mistakes.is_empty() {
        mistakes.extend(contradiction(&config, &layers));
        mistakes.extend(exposure(&config));
        mistakes.extend(half_of_tls(&config.net.tls, &layers));
    }
    Mistakes::among(mistakes)?;
    Ok((config, warnings))
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
