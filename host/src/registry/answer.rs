//! What a registry answers: read within bounds, and turned into an error where it is none of what was asked for.

use super::error::{RegistryError, harmless};
use super::retry::Deadline;
use super::session::failed;
use crate::digest::Digest;
use serde::Deserialize;
use std::io::Read;
use std::time::Duration;
use ureq::Body;
use ureq::http::Response;
use url::Url;

/// Bytes of an error's document.
const REFUSAL_BYTES_MAX: u64 = 16 * 1024;
/// Bytes that are made room for before they have come.
const ROOM_BYTES_MAX: u64 = 1 << 20;

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) asked: String,
    pub(super) deadline: Deadline,
    pub(super) response: Response<Body>,
}

/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes>
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The text of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    /// The text of every header field of this name.
    pub(super) fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The whole body, and what was asked for it.
    pub(super) fn read(self, bytes_max: u64) -> Result<(Vec<u8>, String), RegistryError> {
        let said = self.response.body().content_length();
        let (asked, deadline) = (self.asked, self.deadline);
        let mut body = Vec::new();
        if said.is_none_or(|said| said <= bytes_max) {
            let room = said.unwrap_or_default().min(ROOM_BYTES_MAX);
            body.reserve(usize::try_from(room).unwrap_or_default());
            let mut reader = self.response.into_body().into_reader().take(bytes_max + 1);
            if let Err(error) = reader.read_to_end(&mut body) {
                let nowhere = Url::parse("https://registry.invalid/").expect("a URL");
                return Err(failed(&asked, &nowhere, error.into(), deadline));
            }
        }
        match said.unwrap_or_default() > bytes_max || body.len() as u64 > bytes_max {
            true => Err(RegistryError::TooLarge { asked, max: bytes_max }),
            false => Ok((body, asked)),
        }
    }

    /// The body as a blob of which size and digest are known.
    pub(super) fn read_blob(self, size: u64, digest: Digest) -> Result<Vec<u8>, RegistryError> {
        let asked = self.asked.clone();
        let other = |found| RegistryError::OtherLength { asked: asked.clone(), expected: size, found };
        if let Some(said) = self.response.body().content_length().filter(|said| *said != size) {
            return Err(other(said));
        }
        let (blob, asked) = match self.read(size) {
            Err(RegistryError::TooLarge { .. }) => return Err(other(size.saturating_add(1))),
            read => read?,
        };
        if blob.len() as u64 != size {
            return Err(other(blob.len() as u64));
        }
        match Digest::of(&blob) {
            found if found == digest => Ok(blob),
            found => Err(RegistryError::OtherDigest { asked, expected: digest, found }),
        }
    }

    /// An answer that does not make sense.
    pub(super) fn malformed(&self, what: &str) -> RegistryError {
        RegistryError::Malformed { asked: self.asked.clone(), what: what.to_owned() }
    }

    /// The error that this answer is; `knew` tells whether credentials were shown.
    pub(super) fn refusal(self, knew: bool) -> RegistryError {
        let (status, asked) = (self.status(), self.asked.clone());
        let after = self.field("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let after = after.map(Duration::from_secs);
        let said = self.said();
        match status {
            401 | 403 => RegistryError::Denied { asked, status, said, knew },
            404 => RegistryError::NotFound { asked, said },
            408 | 429 | 500..=599 => RegistryError::Busy { asked, status, said, after },
            _ => RegistryError::Unexpected { asked, status, said },
        }
    }

    /// What the registry has to say about it, if it says that in the usual form.
    fn said(self) -> String {
        let read = self.read(REFUSAL_BYTES_MAX).ok();
        let refusal = read.and_then(|(text, _)| serde_json::from_slice::<Refusal>(&text).ok());
        let first = refusal.and_then(|refusal| refusal.errors.into_iter().next());
        first.map(|said| harmless(&format!("{} {}", said.code, said.message))).unwrap_or_default()
    }
}
