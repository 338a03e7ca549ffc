//! Certificates and keys: read from PEM files, and checked against each other before anyone uses them.

use crate::config::TlsFiles;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No certificate chain is longer; what is, is some other file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a certificate and its key cannot be used. Says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}, which `{setting}` names: give a PEM file that this user may read")]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, and is something else.
    #[error(
        "{path}, which `{setting}` names, has no {wanted} in it: give a PEM file that begins with `-----BEGIN {wanted}`"
    )]
    NotFound {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A file is PEM, and broken.
    #[error("{path}, which `{setting}` names, is broken: {what}; write the file anew")]
    Broken {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system has no thread left to look after the files.
    #[error("cannot start the thread that looks for changed certificates")]
    NoThread(#[source] io::Error),
    /// Each is sound, and they are no pair.
    #[error(
        "the key in {key} is not the one of the first certificate in {cert}: give the pair that was made together"
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// Reads a certificate, its key and the authorities of clients into what serves connections.
///
/// # Errors
/// The first thing that is wrong with them.
pub(super) fn load(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates("tls-cert", &files.cert)?;
    let key = key(&files.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("tls: the provider has suites for both versions");
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let broken = |error: &dyn std::error::Error| broken("tls-client-ca", path, error);
            let roots = authorities(path, &broken)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| broken(&error))?)
        }
    };
    check_key(files, &key, &provider)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            TlsError::Mismatch { cert: files.cert.clone(), key: files.key.clone() }
        } else {
            broken("tls-cert", &files.cert, &error)
        }
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn authorities(
    path: &Path,
    broken: &dyn Fn(&dyn std::error::Error) -> TlsError,
) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls-client-ca", path)? {
        roots.add(certificate).map_err(|error| broken(&error))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(not_found(setting, path, "CERTIFICATE")),
        Err(error) => Err(broken(setting, path, &error)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read("tls-key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            not_found("tls-key", path, "PRIVATE KEY")
        } else {
            broken("tls-key", path, &error)
        }
    })
}

/// A key that no algorithm takes is the key file's fault, not the certificate's.
fn check_key(
    files: &TlsFiles,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<(), TlsError> {
    match provider.key_provider.load_private_key(key.clone_key()) {
        Ok(_) => Ok(()),
        Err(error) => Err(broken("tls-key", &files.key, &error)),
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text)) {
        Ok(_) => Ok(text),
        Err(source) => Err(TlsError::Unreadable { setting, path: path.to_owned(), source }),
    }
}

fn not_found(setting: &'static str, path: &Path, wanted: &'static str) -> TlsError {
    TlsError::NotFound { setting, path: path.to_owned(), wanted }
}

fn broken(setting: &'static str, path: &Path, error: &dyn std::error::Error) -> TlsError {
    TlsError::Broken { setting, path: path.to_owned(), what: error.to_string() }
}
