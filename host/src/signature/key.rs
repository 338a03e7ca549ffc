//! Ed25519 keys and the PEM files they are kept in: PKCS#8 for the secret half and SubjectPublicKeyInfo for
//! the public one, which openssl reads and writes as well.

use super::{SignatureError, message};
use crate::digest::Digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::{fmt, fs};

/// What stands before the 32 bytes of a secret key in PKCS#8 (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// A key is some hundred bytes; what is longer is some other file.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// Which key it is: the first 16 digits of the SHA-256 of its public half. A hint for people and for
/// finding the key, never what a signature is accepted for.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KeyId(String);

impl KeyId {
    fn of(public: &[u8; 32]) -> Self {
        let mut digits = Digest::of(public).hex();
        digits.truncate(16);
        Self(digits)
    }

    /// Reads what [`KeyId`] writes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let plain = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The half of a key that verifies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no such key.
    pub fn open(path: &Path) -> Result<Self, SignatureError> {
        let text = read(path)?;
        let none = || SignatureError::NoPublicKey { path: path.to_owned() };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&text).map_err(|_| none())?;
        let key = der.strip_prefix(&SPKI_PREFIX[..]).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or_else(none)
    }

    /// The key as a PEM file.
    pub fn to_pem(self) -> String {
        pem("PUBLIC KEY", &[&SPKI_PREFIX[..], &self.0].concat())
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }

    /// Whether `signature` is this key's for the component of this digest.
    pub(super) fn verifies(&self, component: Digest, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message(component).as_bytes(), signature).is_ok()
    }
}

/// The half of a key that signs.
pub struct SecretKey {
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// Makes a new key, and writes both halves: the secret one for its owner alone. Neither file may be
    /// there yet.
    ///
    /// # Errors
    /// Where a file cannot be written; one that was begun is removed.
    pub fn generate(secret: &Path, public: &Path) -> Result<Self, SignatureError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| SignatureError::NoRandomness)?;
        let der = [&PKCS8_PREFIX[..], &seed].concat();
        let key = Self::from_der(&der).ok_or(SignatureError::NoRandomness)?;
        create(secret, 0o600, &pem("PRIVATE KEY", &der))?;
        create(public, 0o644, &key.public().to_pem()).inspect_err(|_| {
            let _ = fs::remove_file(secret);
        })?;
        Ok(key)
    }

    /// Reads a PEM file that nobody but its owner may read.
    ///
    /// # Errors
    /// Where the file cannot be read, is readable for others, or holds no such key.
    pub fn open(path: &Path) -> Result<Self, SignatureError> {
        let unreadable = |source| SignatureError::Unreadable { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SignatureError::ExposedKey { path: path.to_owned(), mode });
        }
        let text = read(path)?;
        let none = || SignatureError::NoSecretKey { path: path.to_owned() };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| none())?;
        Self::from_der(der.secret_pkcs8_der()).ok_or_else(none)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        // openssl leaves the public half out, others put it beside the secret one.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        Some(Self { pair })
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// The signature for the component of this digest.
    pub(super) fn sign(&self, component: Digest) -> Vec<u8> {
        self.pair.sign(message(component).as_bytes()).as_ref().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SignatureError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(KEY_BYTES_MAX).read_to_end(&mut text));
    read.map_err(|source| SignatureError::Unreadable { path: path.to_owned(), source })?;
    Ok(text)
}

/// A key is never written over: the one that is lost may be the only one that others trust.
fn create(path: &Path, mode: u32, text: &str) -> Result<(), SignatureError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    };
    write().map_err(|source| SignatureError::Unwritable { path: path.to_owned(), source })
}

/// RFC 7468; every key here fits into one line.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410 §10.3 and §10.1: the examples of the standard, which openssl writes alike.
    const SECRET: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        create(&path, mode, text).unwrap();
        (directory, path)
    }

    #[test]
    fn keys_of_the_standard_are_read_and_written_alike() {
        let (_secret, path) = file(SECRET, 0o600);
        let public = SecretKey::open(&path).unwrap().public();
        assert_eq!(public.to_pem(), PUBLIC);
        let (_public, path) = file(PUBLIC, 0o644);
        assert_eq!(PublicKey::open(&path).unwrap(), public);
    }

    #[test]
    fn new_key_is_its_owners_alone_and_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let (secret, public) = (directory.path().join("a.key"), directory.path().join("a.pub"));
        let made = SecretKey::generate(&secret, &public).unwrap();
        assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o777, 0o600);
        assert_eq!(SecretKey::open(&secret).unwrap().public(), made.public());
        assert_eq!(PublicKey::open(&public).unwrap(), made.public());
        let before = fs::read(&secret).unwrap();
        let again = SecretKey::generate(&secret, &directory.path().join("b.pub")).unwrap_err();
        assert!(again.to_string().contains("a.key"), "{again}");
        let half = SecretKey::generate(&directory.path().join("b.key"), &public).unwrap_err();
        assert!(half.to_string().contains("a.pub"), "{half}");
        assert!(!directory.path().join("b.key").exists(), "half a pair is of no use");
        assert_eq!(fs::read(&secret).unwrap(), before);
    }

    #[test]
    fn secret_key_that_others_may_read_is_refused() {
        let (_directory, path) = file(SECRET, 0o640);
        let error = SecretKey::open(&path).unwrap_err();
        assert!(error.to_string().contains("mode 640") && error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn file_that_is_no_key_is_named() {
        let p256 =
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
        for text in ["", "no key", p256, SECRET] {
            let (_directory, path) = file(text, 0o644);
            let error = PublicKey::open(&path).unwrap_err();
            assert!(matches!(error, SignatureError::NoPublicKey { .. }), "{error}");
        }
        for text in ["", PUBLIC] {
            let (_directory, path) = file(text, 0o600);
            let error = SecretKey::open(&path).unwrap_err();
            assert!(matches!(error, SignatureError::NoSecretKey { .. }), "{error}");
        }
    }
}
