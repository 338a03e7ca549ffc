//! Who asks: the user names, passwords and tokens of Docker's configuration. They are read anew for each
//! component, so that a login takes effect at a reload, and no message ever holds one.

use super::helper;
use super::reference::Authority;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt};

/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What Docker's own registry is called in it.
const DOCKER: &str = "https://index.docker.io/v1/";

/// What is shown to a registry, and to nobody else.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Credentials {
    /// A user and what they know.
    Password { user: String, password: String },
    /// What an access token is had for.
    IdentityToken(String),
}

/// Why it cannot be found out who asks. None of it says what was found.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum CredentialsError {
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: this is not the JSON of Docker's configuration", path.display())]
    Malformed { path: PathBuf, line: usize, column: usize },
    #[error(
        "the `auth` of {registry} is not the base64 of USER:PASSWORD; `docker login {registry}` writes it anew"
    )]
    Encoding { registry: String },
    #[error("a credential helper has a name that is none: expected letters, digits, `.`, `_` and `-`")]
    HelperName,
    #[error("the credential helper {helper} cannot be started")]
    HelperStart { helper: String, source: io::Error },
    #[error("the credential helper {helper} did not answer within {time:?}")]
    HelperSlow { helper: String, time: Duration },
    #[error(
        "the credential helper {helper} gave no credentials: `{helper} get`, with the registry as its input, says why"
    )]
    HelperAnswer { helper: String },
}

/// <https://docs.docker.com/reference/cli/docker/login/>
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// The credentials for a registry, if there are any.
///
/// # Errors
/// Why it cannot be found out.
pub(super) fn find(registry: &Authority) -> Result<Option<Credentials>, CredentialsError> {
    match path() {
        Some(path) => read(&path)?.find(registry),
        None => Ok(None),
    }
}

fn path() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    Some(directory.join("config.json"))
}

fn read(path: &Path) -> Result<DockerConfig, CredentialsError> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text)) {
        Ok(_) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DockerConfig::default()),
        Err(source) => Err(CredentialsError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Only the place of a mistake is told: what stands there may be a secret.
fn parse(text: &[u8], path: &Path) -> Result<DockerConfig, CredentialsError> {
    serde_json::from_slice(text).map_err(|error| CredentialsError::Malformed {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })
}

impl DockerConfig {
    fn find(&self, registry: &Authority) -> Result<Option<Credentials>, CredentialsError> {
        let helpers = self.cred_helpers.iter().find(|(key, _)| is_of(key, registry)).map(|(_, name)| name);
        let name = helpers.unwrap_or(&self.creds_store);
        if !name.is_empty() {
            let asked = if registry.is_dockers() { DOCKER.to_owned() } else { registry.to_string() };
            if let Some(found) = helper::ask(name, &asked)? {
                return Ok(Some(found));
            }
        }
        let auth = self.auths.iter().find(|(key, _)| is_of(key, registry)).map(|(_, auth)| auth);
        auth.map_or(Ok(None), |auth| auth.read(registry))
    }
}

impl Auth {
    fn read(&self, registry: &Authority) -> Result<Option<Credentials>, CredentialsError> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            let known = !self.username.is_empty();
            let (user, password) = (self.username.clone(), self.password.clone());
            return Ok(known.then_some(Credentials::Password { user, password }));
        }
        let bad = || CredentialsError::Encoding { registry: registry.to_string() };
        let bytes = BASE64_STANDARD.decode(&self.auth).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, password) = text.split_once(':').ok_or_else(bad)?;
        // Docker once filled up the end with zeros.
        let password = password.trim_end_matches('\0').to_owned();
        Ok(Some(Credentials::Password { user: user.to_owned(), password }))
    }
}

impl Credentials {
    /// The value of `Authorization` for a password (RFC 7617).
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::IdentityToken(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

/// Whether an entry is for this registry. Docker writes hosts, and once wrote URLs.
fn is_of(key: &str, registry: &Authority) -> bool {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or_default();
    match registry.is_dockers() {
        true => ["index.docker.io", "docker.io", "registry-1.docker.io"].contains(&host),
        false => host.eq_ignore_ascii_case(&registry.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        parse(text.as_bytes(), Path::new("config.json"))?.find(&registry.parse().unwrap())
    }

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn entries_are_found_by_their_registry_alone() {
        let text = r#"{"auths": {
            "a.example:5000": {"auth": "dTpwOnE="},
            "https://b.example/v1/": {"username": "v", "password": "w"},
            "https://index.docker.io/v1/": {"auth": "ZDpk"},
            "c.example": {"identitytoken": "t", "auth": "dTpw"},
            "d.example": {}
        }, "other": 1}"#;
        for (registry, expected) in [
            ("a.example:5000", password("u", "p:q")),
            ("a.example", None),
            ("a.example:5001", None),
            ("x.a.example:5000", None),
            ("B.example", password("v", "w")),
            ("docker.io", password("d", "d")),
            ("c.example", Some(Credentials::IdentityToken("t".into()))),
            ("d.example", None),
        ] {
            assert!(found(text, registry).unwrap() == expected, "{registry}");
        }
    }

    #[test]
    fn no_message_holds_a_secret() {
        for text in [
            r#"{"auths": {"a": {"auth": "hunter2!"}}}"#,
            r#"{"auths": {"a": {"auth": {"hunter2": 1}}}}"#,
            r#"{"auths": "hunter2"}"#,
            r#"{"auths": {"a": {"auth": "aHVudGVyMg=="}}}"#,
        ] {
            let error = found(text, "a").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let shown = Credentials::IdentityToken("hunter2".into());
        assert!(!format!("{shown:?}").contains("hunter2"));
    }

    #[test]
    fn named_helper_comes_before_the_store() {
        let text = r#"{"credHelpers": {"a": "no-such-one"}, "credsStore": "no-such-store"}"#;
        for (registry, named) in [("a", "no-such-one"), ("b", "no-such-store")] {
            let error = found(text, registry).unwrap_err().to_string();
            assert!(error.contains(&format!("docker-credential-{named} cannot")), "{error}");
        }
    }
}
