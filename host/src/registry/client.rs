//! Fetching a component from a registry, and storing one there.
//! <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>

use super::error::{RegistryError, harmless};
use super::interfaces::{self, Interfaces, NotAComponent};
use super::manifest::{self, Descriptor, Found, Layers};
use super::retry::{Deadline, retrying};
use super::session::{Ask, Session};
use super::{Reference, Settings};
use crate::digest::Digest;
use crate::signature::SIGNATURES_BYTES_MAX;

/// Bytes of a manifest: what registries take, too.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const BYTES: &str = "application/octet-stream";

/// A way to every registry.
#[derive(Clone, Debug)]
pub struct Registries {
    settings: Settings,
}

/// What a reference stands for.
#[derive(Debug)]
pub struct Pulled {
    /// The component; its digest is the one that its manifest names.
    pub component: Vec<u8>,
    /// The signatures that were stored with it, not yet looked at.
    pub signatures: Option<Vec<u8>>,
    /// The digest of the manifest, by which the same is had again.
    pub digest: Digest,
}

/// What is to be stored.
pub struct Package<'a> {
    component: &'a [u8],
    signatures: Option<&'a [u8]>,
    interfaces: Interfaces,
    created: &'a str,
}

impl<'a> Package<'a> {
    /// A component with the file of its signatures, and when it was made (RFC 3339).
    ///
    /// # Errors
    /// Where it is no component.
    pub fn new(
        component: &'a [u8],
        signatures: Option<&'a [u8]>,
        created: &'a str,
    ) -> Result<Self, NotAComponent> {
        Ok(Self { component, signatures, interfaces: interfaces::of(component)?, created })
    }
}

impl Registries {
    /// Registries as they are set.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Fetches what the reference stands for now, if the component has `bytes_max` at most. Blocks, for `timeout`
    /// at most.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn pull(&self, reference: &Reference, bytes_max: u64) -> Result<Pulled, RegistryError> {
        let deadline = Deadline::after(self.settings.timeout);
        let mut session = Session::open(&self.settings, reference, "pull", deadline);
        let (digest, found, asked) = fetch_manifest(&mut session, reference.tag(), reference.digest())?;
        let (layers, asked) = match found {
            Found::Package(layers) => (layers, asked),
            Found::Build(build) => match fetch_manifest(&mut session, None, Some(build))? {
                (_, Found::Package(layers), asked) => (layers, asked),
                (_, Found::Build(_), asked) => {
                    let what = "it is an index in an index".to_owned();
                    return Err(RegistryError::Malformed { asked, what });
                }
            },
        };
        let Layers { component, signatures } = layers;
        if component.size > bytes_max {
            return Err(RegistryError::ComponentTooLarge { said: component.size, max: bytes_max });
        }
        if signatures.as_ref().is_some_and(|signatures| signatures.size > SIGNATURES_BYTES_MAX as u64) {
            let what = "its signatures are longer than 64 KiB".to_owned();
            return Err(RegistryError::Malformed { asked, what });
        }
        let component = fetch_blob(&mut session, &component)?;
        let signatures = signatures.map(|signatures| fetch_blob(&mut session, &signatures)).transpose()?;
        Ok(Pulled { component, signatures, digest })
    }

    /// Stores a package under the tag of the reference, and tells the digest by which it can be named from then
    /// on. Blocks, for `timeout` at most.
    ///
    /// # Errors
    /// Why it cannot be stored.
    pub fn push(&self, reference: &Reference, package: Package<'_>) -> Result<Digest, RegistryError> {
        let (Some(tag), None) = (reference.tag(), reference.digest()) else {
            return Err(RegistryError::PushToDigest(reference.clone()));
        };
        let Package { component, signatures, interfaces, created } = package;
        let written = manifest::write(component, interfaces, signatures, created);
        let deadline = Deadline::after(self.settings.timeout);
        let mut session = Session::open(&self.settings, reference, "pull,push", deadline);
        for blob in [Some(component), signatures, Some(&written.config)].into_iter().flatten() {
            store_blob(&mut session, blob)?;
        }
        let url = session.url(&format!("manifests/{tag}"));
        let field = Some(("content-type", manifest::MANIFEST));
        let ask = Ask { method: "PUT", url, field, body: &written.manifest };
        let expected = Digest::of(&written.manifest);
        let answer = retrying(deadline, || session.send(&ask))?;
        match answer.field("docker-content-digest").and_then(|digest| digest.parse().ok()) {
            Some(found) if found != expected => {
                Err(RegistryError::OtherDigest { asked: answer.asked, expected, found })
            }
            Some(_) | None => Ok(expected),
        }
    }
}

/// The manifest of this digest, else of this tag: its digest, what it says, and what was asked for it.
fn fetch_manifest(
    session: &mut Session<'_>,
    tag: Option<&str>,
    digest: Option<Digest>,
) -> Result<(Digest, Found, String), RegistryError> {
    let name = digest.map_or_else(|| tag.unwrap_or_default().to_owned(), |digest| digest.to_string());
    let url = session.url(&format!("manifests/{name}"));
    let ask = Ask { method: "GET", url, field: Some(("accept", manifest::ACCEPTED)), body: &[] };
    let (text, asked, said) = retrying(session.deadline(), || {
        let answer = session.send(&ask)?;
        let said = answer.field("docker-content-digest").and_then(|digest| digest.parse().ok());
        let (text, asked) = answer.read(MANIFEST_BYTES_MAX)?;
        Ok((text, asked, said))
    })?;
    let found = Digest::of(&text);
    match digest.or(said) {
        Some(expected) if expected != found => Err(RegistryError::OtherDigest { asked, expected, found }),
        Some(_) | None => match manifest::read(&text) {
            Ok(what) => Ok((found, what, asked)),
            Err(what) => Err(RegistryError::Malformed { asked, what: harmless(&what) }),
        },
    }
}

fn fetch_blob(session: &mut Session<'_>, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let url = session.url(&format!("blobs/{}", blob.digest));
    let ask = Ask { method: "GET", url, field: None, body: &[] };
    retrying(session.deadline(), || session.send(&ask)?.read_blob(blob.size, blob.digest))
}

/// Stores a blob unless it is there.
fn store_blob(session: &mut Session<'_>, blob: &[u8]) -> Result<(), RegistryError> {
    let digest = Digest::of(blob);
    let known = Ask { method: "HEAD", url: session.url(&format!("blobs/{digest}")), field: None, body: &[] };
    let begin = Ask { method: "POST", url: session.url("blobs/uploads/"), field: None, body: &[] };
    retrying(session.deadline(), || {
        match session.send(&known) {
            Ok(_) => return Ok(()),
            Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let begun = session.send(&begin)?;
        let mut url = session.location(&begun)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let store = Ask { method: "PUT", url, field: Some(("content-type", BYTES)), body: blob };
        session.send(&store).map(drop)
    })
}
