//! `wasm-host push` and `pull`: components to registries and back, with the signatures beside them.

use super::args;
use super::exit::Failure;
use super::tool::{Tool, say};
use crate::config::Sources;
use crate::registry::{Package, Pulled, Reference, Registries, RegistryError};
use crate::sandbox::read_component;
use crate::signature::{self, Signatures};
use anyhow::{Context, anyhow};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub(super) const PUSH: Tool = Tool { command: push_command, run: push };
pub(super) const PULL: Tool = Tool { command: pull_command, run: pull };

const FILE: &str = "file";
const REFERENCE: &str = "reference";
const OUTPUT: &str = "output";
/// Settings that these commands listen to; flag, environment and file, as everywhere.
const SETTINGS: [&str; 3] = ["oci-plain-http", "oci-timeout", "max-component"];
/// The last second that RFC 3339 can write.
const SECONDS_MAX: u64 = 253_402_300_799;

fn push_command() -> Command {
    let command = Command::new("push")
        .about(
            "Store a component, and its signatures in FILE.sig, in a registry; prints its digest reference",
        )
        .arg(
            Arg::new(FILE)
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The component"),
        )
        .arg(reference_argument("Where it goes: oci://HOST[:PORT]/REPOSITORY[:TAG]"));
    args::with_some_settings(command, &SETTINGS)
}

fn pull_command() -> Command {
    let command = Command::new("pull")
        .about("Fetch a component from a registry into a file, and its signatures, if there are any, to FILE.sig")
        .arg(reference_argument("What to fetch: oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]"))
        .arg(
            Arg::new(OUTPUT)
                .long(OUTPUT)
                .short('o')
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Where it goes"),
        );
    args::with_some_settings(command, &SETTINGS)
}

fn reference_argument(help: &'static str) -> Arg {
    Arg::new(REFERENCE)
        .value_name("REFERENCE")
        .required(true)
        .value_parser(|text: &str| text.parse::<Reference>())
        .help(help)
}

fn push(mut matches: ArgMatches) -> Result<(), Failure> {
    let (registries, _) = settings(&mut matches)?;
    let file: PathBuf = matches.remove_one(FILE).unwrap_or_default();
    let reference = reference(&mut matches)?;
    let wrong = |error: anyhow::Error| Failure::Configuration(error.context(file.display().to_string()));
    let component = read_component(&file).map_err(|error| wrong(error.into()))?;
    let signatures = signature::read_beside(&file).map_err(|error| wrong(error.into()))?;
    // What is broken would only be noticed by those who ask for it.
    if let Some(text) = &signatures {
        Signatures::parse(text).map_err(|error| wrong(error.into()))?;
    }
    let created = created(&file).map_err(|error| wrong(error.into()))?;
    let package = Package::new(&component, signatures.as_deref(), &created);
    let package = package.map_err(|error| wrong(error.into()))?;
    let digest = registries.push(&reference, package);
    let digest = digest.map_err(|error| failure(error, format!("cannot push to {reference}")))?;
    say(&reference.pinned(digest).to_string());
    Ok(())
}

fn pull(mut matches: ArgMatches) -> Result<(), Failure> {
    let (registries, bytes_max) = settings(&mut matches)?;
    let file: PathBuf = matches.remove_one(OUTPUT).unwrap_or_default();
    let reference = reference(&mut matches)?;
    let pulled = registries.pull(&reference, bytes_max);
    let Pulled { component, signatures, digest } =
        pulled.map_err(|error| failure(error, format!("cannot pull {reference}")))?;
    let beside = signature::beside(&file);
    write(&file, &component)?;
    match signatures {
        Some(signatures) => write(&beside, &signatures)?,
        // Those of another component would only mislead.
        None => match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let error = anyhow!(error).context(format!("cannot remove {}", beside.display()));
                return Err(Failure::Other(error));
            }
            Ok(()) | Err(_) => {}
        },
    }
    say(&reference.pinned(digest).to_string());
    Ok(())
}

/// The registries as they are set, and the bytes that a component may have.
fn settings(matches: &mut ArgMatches) -> Result<(Registries, u64), Failure> {
    let flags = args::some_flags(matches, &SETTINGS);
    let environment = std::env::vars_os().collect();
    let config = Sources { flags, environment, directory: PathBuf::new() }.settings()?;
    Ok((Registries::new(config.registries), config.deploy.component_bytes_max))
}

fn reference(matches: &mut ArgMatches) -> Result<Reference, Failure> {
    matches.remove_one(REFERENCE).ok_or_else(|| Failure::Usage(anyhow!("no reference is given")))
}

/// When the file was written: pushed again, the same file makes the same package.
fn created(file: &Path) -> std::io::Result<String> {
    let seconds = u64::try_from(fs::metadata(file)?.mtime()).unwrap_or_default().min(SECONDS_MAX);
    Ok(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".new-{}", std::process::id()));
    let new = PathBuf::from(new);
    let done = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    done.with_context(|| format!("cannot write {}", path.display())).map_err(|error| {
        let _ = fs::remove_file(&new);
        Failure::Other(error)
    })
}

/// What was named is at fault, unless it may go away by itself.
fn failure(error: RegistryError, what: String) -> Failure {
    match error.is_transient() {
        true => Failure::Other(anyhow!(error).context(what)),
        false => Failure::Configuration(anyhow!(error).context(what)),
    }
}
