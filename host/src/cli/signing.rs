//! `wasm-host keygen`, `sign` and `verify`: the keys and signatures that `--require-signature` asks for.

use super::exit::Failure;
use super::tool::{Tool, say};
use crate::digest::Digest;
use crate::sandbox::read_component;
use crate::signature::{self, Policy, SecretKey, SignatureError, Signatures};
use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::{Path, PathBuf};

pub(super) const KEYGEN: Tool = Tool { command: keygen_command, run: keygen };
pub(super) const SIGN: Tool = Tool { command: sign_command, run: sign };
pub(super) const VERIFY: Tool = Tool { command: verify_command, run: verify };

const OUTPUT: &str = "output";
const KEY: &str = "key";
const FILE: &str = "file";

fn keygen_command() -> Command {
    Command::new("keygen").about("Make a key to sign components with").arg(
        Arg::new(OUTPUT)
            .long(OUTPUT)
            .value_name("NAME")
            .default_value("wasm-host")
            .value_parser(value_parser!(PathBuf))
            .help("Writes NAME.key, which signs and is for you alone, and NAME.pub, which verifies"),
    )
}

fn sign_command() -> Command {
    Command::new("sign")
        .about("Sign a component: adds this key's signature to FILE.sig")
        .arg(key_argument("The key that signs, as `wasm-host keygen` writes it").required(true))
        .arg(file_argument())
}

fn verify_command() -> Command {
    Command::new("verify")
        .about("Check that one of these keys has signed a component, in FILE.sig")
        .arg(
            key_argument("The public half of a key; repeatable, and one of them is enough")
                .required(true)
                .action(ArgAction::Append),
        )
        .arg(file_argument())
}

fn key_argument(help: &'static str) -> Arg {
    Arg::new(KEY).long(KEY).value_name("KEY").value_parser(value_parser!(PathBuf)).help(help)
}

fn file_argument() -> Arg {
    Arg::new(FILE)
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("The component")
}

fn keygen(mut matches: ArgMatches) -> Result<(), Failure> {
    let name: PathBuf = matches.remove_one(OUTPUT).unwrap_or_default();
    let with = |ending: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    let key = SecretKey::generate(&secret, &public).map_err(failure)?;
    say(&format!(
        "key {}: {} signs and is for you alone, {} verifies",
        key.public().id(),
        secret.display(),
        public.display()
    ));
    Ok(())
}

fn sign(mut matches: ArgMatches) -> Result<(), Failure> {
    let key = SecretKey::open(&argument(&mut matches, KEY)).map_err(failure)?;
    let file = argument(&mut matches, FILE);
    let component = Digest::of(&read(&file)?);
    let known = signature::read_beside(&file).map_err(failure)?;
    let mut signatures = match known.map(|text| Signatures::parse(&text)).transpose().map_err(failure)? {
        Some(known) if known.component() == component => known,
        // What was signed before was another component.
        Some(_) | None => Signatures::none(component),
    };
    signatures.sign(&key).map_err(failure)?;
    let path = signature::beside(&file);
    signatures.write(&path).map_err(failure)?;
    say(&format!("{}: {component} is signed by key {}", path.display(), key.public().id()));
    Ok(())
}

fn verify(mut matches: ArgMatches) -> Result<(), Failure> {
    let keys: Vec<PathBuf> = matches.remove_many(KEY).map(Iterator::collect).unwrap_or_default();
    let policy = Policy::open(&keys).map_err(failure)?;
    let file = argument(&mut matches, FILE);
    let component = read(&file)?;
    let signatures = signature::read_beside(&file).map_err(failure)?;
    let key = policy.check(&component, signatures.as_deref());
    let key = key.with_context(|| format!("{} is not to be trusted", file.display()));
    if let Some(key) = key.map_err(Failure::Configuration)? {
        say(&format!("{}: {} is signed by key {key}", file.display(), Digest::of(&component)));
    }
    Ok(())
}

fn argument(matches: &mut ArgMatches, name: &str) -> PathBuf {
    matches.remove_one(name).unwrap_or_default()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    read_component(file)
        .map_err(|error| Failure::Configuration(anyhow!(error).context(file.display().to_string())))
}

/// What was named is at fault; that it cannot be written to may have other reasons.
fn failure(error: SignatureError) -> Failure {
    match error {
        SignatureError::Unwritable { .. } | SignatureError::NoRandomness => Failure::Other(error.into()),
        SignatureError::Unreadable { .. }
        | SignatureError::NoPublicKey { .. }
        | SignatureError::NoSecretKey { .. }
        | SignatureError::ExposedKey { .. }
        | SignatureError::Missing
        | SignatureError::Malformed(_)
        | SignatureError::OtherComponent { .. }
        | SignatureError::UnknownKey { .. }
        | SignatureError::False(_) => Failure::Configuration(error.into()),
    }
}
