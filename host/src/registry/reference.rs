//! What a component in a registry is called: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`. Read once,
//! so that whatever is built from its parts (paths, fields, names of files) holds nothing unexpected.

use crate::digest::Digest;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use url::Host;

/// What every reference begins with.
pub const SCHEME: &str = "oci://";
/// What is meant where nothing is said.
const USUAL_TAG: &str = "latest";
/// The name that stands for Docker's own registry, and where that is.
const DOCKER: &str = "docker.io";
const DOCKER_API: &str = "registry-1.docker.io";

const HOST_BYTES_MAX: usize = 253;
const REPOSITORY_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// A component in a registry.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reference {
    registry: Authority,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A registry: its host, in lower case and with an IPv6 address in brackets, and its port if that is named.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

/// A text that names no component in a registry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}: expected `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`")]
pub struct BadReference {
    what: &'static str,
}

impl Reference {
    /// The registry, as it is called.
    pub fn registry(&self) -> &Authority {
        &self.registry
    }

    /// Where its API is.
    pub(super) fn api(&self) -> Authority {
        match self.registry.host.as_str() {
            DOCKER => Authority { host: DOCKER_API.to_owned(), port: self.registry.port },
            _ => self.registry.clone(),
        }
    }

    /// The repository, as the API calls it.
    pub(super) fn repository(&self) -> String {
        match self.registry.host == DOCKER && !self.repository.contains('/') {
            true => format!("library/{}", self.repository),
            false => self.repository.clone(),
        }
    }

    /// The last part of the repository.
    pub fn short_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The tag, unless only a digest is named.
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some(USUAL_TAG),
            (None, Some(_)) => None,
        }
    }

    /// The digest of the manifest, if it is named: then no tag decides what this is.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same component by its digest alone, whatever its tag will stand for.
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = |what| BadReference { what };
        let rest = text.strip_prefix(SCHEME).ok_or(bad("it does not begin with `oci://`"))?;
        let (registry, rest) = rest.split_once('/').ok_or(bad("it names no repository"))?;
        if registry.contains('@') {
            return Err(bad("it holds a user name, and credentials belong into the configuration of Docker"));
        }
        let registry: Authority = registry.parse().map_err(|_| bad("its host is none"))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| bad("its digest is no SHA-256 digest"))?))
            }
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(repository) {
            return Err(bad("its repository is none (small letters, digits, `.`, `_`, `-` and `/`)"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("its tag is none (up to 128 letters, digits, `.`, `_` and `-`)"));
        }
        Ok(Self { registry, repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl Authority {
    /// Whether it is a name for this machine itself.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_matches(['[', ']']);
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Whether `other` is this one; without a port this one stands for every port.
    pub fn covers(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }

    /// The host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is Docker's own.
    pub(super) fn is_dockers(&self) -> bool {
        self.host == DOCKER || self.host == DOCKER_API
    }
}

impl FromStr for Authority {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = BadReference { what: "its host is none" };
        let after_address = text.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match text[after_address..].find(':') {
            Some(colon) => {
                let (host, port) = text.split_at(after_address + colon);
                (host, Some(&port[1..]))
            }
            None => (text, None),
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(fits) {
            return Err(bad);
        }
        let host = Host::parse(host).map_err(|_| bad.clone())?.to_string();
        let port = match port {
            None => None,
            // `+80` and `080` are numbers, too.
            Some(port) if port.starts_with(|first: char| matches!(first, '1'..='9')) => {
                Some(port.parse().map_err(|_| bad)?)
            }
            Some(_) => return Err(bad),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests>
fn is_repository(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
        let between = |run: &[u8]| {
            matches!(run, [] | b"." | b"_" | b"__")
                || (!run.is_empty() && run.iter().all(|&byte| byte == b'-'))
        };
        ends && bytes.split(alphanumeric).all(between)
    };
    text.len() <= REPOSITORY_BYTES_MAX && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_BYTES_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn parts_are_told_apart() {
        for (text, registry, name, tag, digest) in [
            ("oci://ghcr.io/a/b:1.0", "ghcr.io", "b", Some("1.0"), false),
            ("oci://localhost:5000/b", "localhost:5000", "b", Some("latest"), false),
            ("oci://[::1]:5000/x/y_z", "[::1]:5000", "y_z", Some("latest"), false),
            ("oci://GHCR.io/b@DIGEST", "ghcr.io", "b", None, true),
            ("oci://a/b:t@DIGEST", "a", "b", Some("t"), true),
        ] {
            let reference = read(&text.replace("DIGEST", DIGEST));
            assert_eq!(reference.registry().to_string(), registry);
            assert_eq!((reference.short_name(), reference.tag()), (name, tag), "{text}");
            assert_eq!(reference.digest().is_some(), digest, "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_told() {
        for (text, told) in [
            ("https://ghcr.io/a", "does not begin"),
            ("oci://ghcr.io", "names no repository"),
            ("oci://ghcr.io/", "repository is none"),
            ("oci:///a", "host is none"),
            ("oci://user:secret@ghcr.io/a", "user name"),
            ("oci://ghcr.io:99999/a", "host is none"),
            ("oci://ghcr.io:/a", "host is none"),
            ("oci://ghcr.io/A", "repository is none"),
            ("oci://ghcr.io/a/../b", "repository is none"),
            ("oci://ghcr.io/a//b", "repository is none"),
            ("oci://ghcr.io/a?x=y", "repository is none"),
            ("oci://ghcr.io/a%2fb", "repository is none"),
            ("oci://ghcr.io/a:", "tag is none"),
            ("oci://ghcr.io/a:.b", "tag is none"),
            ("oci://ghcr.io/a:b/c", "tag is none"),
            ("oci://ghcr.io/a@sha256:00", "no SHA-256 digest"),
            ("oci://ghcr.io/a@sha512:00", "no SHA-256 digest"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn lengths_hold_both_limits() {
        let with = |repository: usize, tag: usize| {
            format!("oci://a/{}:{}", "a".repeat(repository), "a".repeat(tag)).parse::<Reference>().is_ok()
        };
        assert!(with(REPOSITORY_BYTES_MAX, TAG_BYTES_MAX));
        assert!(!with(REPOSITORY_BYTES_MAX + 1, 1));
        assert!(!with(1, TAG_BYTES_MAX + 1));
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for (text, own) in [
            ("localhost:5000", true),
            ("registry.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9:1", true),
            ("0x7f.1", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(text.parse::<Authority>().unwrap().is_loopback(), own, "{text}");
        }
    }

    #[test]
    fn registry_without_a_port_stands_for_every_port() {
        let authority = |text: &str| text.parse::<Authority>().unwrap();
        assert!(authority("a.example").covers(&authority("a.example:5000")));
        assert!(authority("a.example:5000").covers(&authority("A.example:5000")));
        assert!(!authority("a.example:5000").covers(&authority("a.example")));
        assert!(!authority("a.example").covers(&authority("b.a.example")));
    }

    #[test]
    fn dockers_own_registry_goes_by_its_short_name() {
        let reference = read("oci://docker.io/hello");
        assert_eq!(reference.api().to_string(), DOCKER_API);
        assert_eq!(reference.repository(), "library/hello");
        assert_eq!(read("oci://docker.io/a/b").repository(), "a/b");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Reference>();
            let _ = format!("{SCHEME}{text}").parse::<Reference>();
            let _ = text.parse::<Authority>();
        }

        #[test]
        fn what_is_read_is_written_and_read_alike(
            text in "oci://[a-zA-Z0-9.:\\[\\]-]{1,12}/[a-z0-9._/-]{1,12}(:[A-Za-z0-9._-]{0,6})?(@sha256:[0-9a-f]{64})?"
        ) {
            if let Ok(reference) = text.parse::<Reference>() {
                let written = reference.to_string();
                prop_assert_eq!(written.parse::<Reference>(), Ok(reference), "{}", written);
            }
        }

        /// Nothing in a repository or a tag can lead a URL elsewhere.
        #[test]
        fn parts_are_plain_in_a_url(text in "oci://a/[!-~]{1,20}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let path = format!("/v2/{}/manifests/{}", reference.repository(), reference.tag().unwrap_or("x"));
                let url = url::Url::parse("https://a/").unwrap().join(&path).unwrap();
                prop_assert_eq!(url.path(), path);
                prop_assert_eq!(url.query(), None);
            }
        }
    }
}
